extension Request {
  /// BMAP, `struct fuse_bmap_in`: where a block of a file is on the device. Since 7.8.
  public struct MapBlock: RequestArguments, Hashable, Sendable {
    /// Which block of the file, in blocks of `blockSize`.
    public var block: UInt64
    /// Bytes.
    public var blockSize: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(16)
      block = fields.field(0)
      blockSize = fields.field(8)
    }
  }
}
