extension IomapWire {
  /// `fuse_iomap_backing_info`: the block size of a registered device (fuse-iomap ABI 3.4.11).
  public struct BackingInfo: Payload {
    public static var size: Int { 8 }

    public var device: DeviceCookie
    /// In bytes; a power of two, and no less than the device's logical block.
    public var blockSize: UInt32

    @inlinable
    public init(device: DeviceCookie, blockSize: UInt32) {
      self.device = device
      self.blockSize = blockSize
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      device = DeviceCookie(rawValue: payload.field(0))
      blockSize = payload.field(4)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(device.rawValue, at: 0)
      buffer.put(blockSize, at: 4)
    }
  }
}
