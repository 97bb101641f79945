extension Request {
  /// FSYNC and FSYNCDIR, `struct fuse_fsync_in`.
  public struct Synchronize: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    public var flags: SynchronizationFlags

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(16)
      handle = fields.field(0)
      flags = SynchronizationFlags(rawValue: fields.field(8))
    }
  }
}
