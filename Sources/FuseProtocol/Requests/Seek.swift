extension Request {
  /// LSEEK, `struct fuse_lseek_in`: for SEEK_DATA and SEEK_HOLE. Since 7.24.
  public struct Seek: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// Bytes.
    public var offset: UInt64
    /// SEEK_* of lseek(2).
    public var whence: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(24)
      handle = fields.field(0)
      offset = fields.field(8)
      whence = fields.field(16)
    }
  }
}
