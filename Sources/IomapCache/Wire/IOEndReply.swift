extension IomapWire {
  /// `fuse_iomap_ioend_out`, which only v7 has (fuse-iomap ABI 3.4.6, 4.5.2).
  public struct IOEndReply: Hashable, Sendable {
    /// The size of the file, in bytes, that is now on disk: exactly that, and not what the kernel has in core.
    public var newSize: UInt64

    @inlinable
    public init(newSize: UInt64) {
      self.newSize = newSize
    }

    /// Nil when `payload` is too short, and for v6, whose reply says nothing.
    public init?(_ payload: UnsafeRawBufferPointer, _ revision: IomapRevision) {
      guard revision == .v7, payload.count >= revision.ioEndReplySize else { return nil }
      newSize = payload.field(0)
    }

    /// Writes the `ioEndReplySize` bytes of `revision`: none for v6. Returns how many.
    @discardableResult
    public func encode(
      into buffer: UnsafeMutableRawBufferPointer, for revision: IomapRevision
    ) -> Int {
      guard revision == .v7 else { return 0 }
      buffer.clear(revision.ioEndReplySize)
      buffer.put(newSize, at: 0)
      return revision.ioEndReplySize
    }
  }
}
