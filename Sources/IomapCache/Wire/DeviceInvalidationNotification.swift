extension IomapWire {
  /// IOMAP_DEV_INVAL: "forget what you have cached of this device" (fuse-iomap ABI 3.4.8, 6.4).
  public struct DeviceInvalidationNotification: Payload {
    public static var size: Int { 24 }

    public var device: DeviceCookie
    /// First byte; within the device.
    public var offset: DeviceOffset
    /// Bytes; never 0, which at offset 0 would mean everything.
    public var length: UInt64

    @inlinable
    public init(device: DeviceCookie, offset: DeviceOffset, length: UInt64) {
      self.device = device
      self.offset = offset
      self.length = length
    }

    /// Nil also when the reserved field is not zero, which the kernel answers with EINVAL.
    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size, payload.field(4) as UInt32 == 0 else { return nil }
      device = DeviceCookie(rawValue: payload.field(0))
      offset = DeviceOffset(payload.field(8))
      length = payload.field(16)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(device.rawValue, at: 0)
      buffer.put(offset.rawValue, at: 8)
      buffer.put(length, at: 16)
    }
  }
}

extension IomapWire.DeviceInvalidationNotification: IomapWire.Notification {
  public static var code: IomapWire.NotificationCode { .deviceInvalidation }
}
