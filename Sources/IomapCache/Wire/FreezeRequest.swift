extension IomapWire {
  /// FREEZE_FS: stop writing (fuse-iomap ABI 3.4.9, 4.6). The reply has no payload.
  public struct FreezeRequest: Payload {
    public static var size: Int { 8 }

    /// How many inodes are open that have no name any more.
    public var unlinked: UInt64

    @inlinable
    public init(unlinked: UInt64) {
      self.unlinked = unlinked
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      unlinked = payload.field(0)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(unlinked, at: 0)
    }
  }
}
