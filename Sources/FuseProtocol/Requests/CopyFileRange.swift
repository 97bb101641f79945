extension Request {
  /// COPY_FILE_RANGE and COPY_FILE_RANGE_64, `struct fuse_copy_file_range_in`: from the node of the header. Since 7.28, and 7.45.
  public struct CopyFileRange: RequestArguments, Hashable, Sendable {
    /// The file that is read.
    public var handle: UInt64
    /// Its first byte.
    public var offset: UInt64
    /// The node that is written.
    public var targetNodeID: UInt64
    public var targetHandle: UInt64
    public var targetOffset: UInt64
    /// Bytes.
    public var length: UInt64
    /// Of copy_file_range(2): none are defined.
    public var flags: UInt64

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(56)
      handle = fields.field(0)
      offset = fields.field(8)
      targetNodeID = fields.field(16)
      targetHandle = fields.field(24)
      targetOffset = fields.field(32)
      length = fields.field(40)
      flags = fields.field(48)
    }
  }
}
