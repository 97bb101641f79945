extension IomapWire {
  /// SHUTDOWN_FS: the device has died (fuse-iomap ABI 3.4.9, 4.6). The reply is ignored.
  public struct ShutdownRequest: Payload {
    public static var size: Int { 8 }

    /// None are defined.
    public var flags: UInt64

    @inlinable
    public init(flags: UInt64 = 0) {
      self.flags = flags
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      flags = payload.field(0)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(flags, at: 0)
    }
  }
}
