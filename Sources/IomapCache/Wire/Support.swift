extension IomapWire {
  /// `fuse_iomap_support`: the answer of the ioctl IOMAP_SUPPORT (fuse-iomap ABI 2.2, 3.4.11). When that
  /// fails, no flags.
  public struct Support: Payload {
    public static var size: Int { 16 }

    public var flags: SupportFlags

    @inlinable
    public init(flags: SupportFlags) {
      self.flags = flags
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      flags = SupportFlags(rawValue: payload.field(0))
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(flags.rawValue, at: 0)
    }
  }
}
