extension Request {
  /// FALLOCATE, `struct fuse_fallocate_in`. Since 7.19.
  public struct Allocate: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// First byte.
    public var offset: UInt64
    /// Bytes.
    public var length: UInt64
    /// FALLOC_FL_* of fallocate(2).
    public var mode: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(32)
      handle = fields.field(0)
      offset = fields.field(8)
      length = fields.field(16)
      mode = fields.field(24)
    }
  }
}
