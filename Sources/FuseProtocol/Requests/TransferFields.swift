extension Request {
  /// What a READ and a WRITE have in common, at the same places of `struct fuse_read_in` and `struct fuse_write_in`: for a thread that decides how to
  /// serve a request before it decodes it, in a few loads.
  public struct TransferFields: Hashable, Sendable {
    /// Bytes to read or write. Not checked against what follows.
    public var size: UInt32
    /// `read_flags` or `write_flags` (`ReadFlags`, `WriteFlags`); padding in a READ before 7.9.
    public var flags: UInt32

    /// Nil when `payload` is shorter than the structures of any minor.
    @inlinable
    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= 24 else { return nil }
      size = payload.field(16)
      flags = payload.field(20)
    }
  }
}
