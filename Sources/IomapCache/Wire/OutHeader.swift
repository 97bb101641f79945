extension IomapWire {
  /// `fuse_out_header`, before every reply and notification (fuse-iomap ABI 3.3).
  public struct OutHeader: Payload {
    public static var size: Int { 16 }

    /// Bytes of the whole message, header included.
    public var length: UInt32
    /// 0, or the errno below zero; the code, above zero, of a notification.
    public var error: Int32
    /// That of the request; 0 in a notification.
    public var unique: UInt64

    public init(payloadSize: Int, error: Int32, unique: UInt64) {
      length = UInt32(Self.size + payloadSize)
      self.error = error
      self.unique = unique
    }

    public init(payloadSize: Int, notification: NotificationCode) {
      self.init(payloadSize: payloadSize, error: notification.rawValue, unique: 0)
    }

    public init?(_ message: UnsafeRawBufferPointer) {
      guard message.count >= Self.size else { return nil }
      length = message.field(0)
      error = message.field(4)
      unique = message.field(8)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(length, at: 0)
      buffer.put(error, at: 4)
      buffer.put(unique, at: 8)
    }
  }
}
