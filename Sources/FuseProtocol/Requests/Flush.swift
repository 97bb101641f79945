extension Request {
  /// FLUSH, `struct fuse_flush_in`: a descriptor of the file is being closed.
  public struct Flush: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// 0 before 7.7.
    public var lockOwner: UInt64

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.lastStructure(24, before: 7, 16)
      handle = fields.field(0)
      lockOwner = fields.fieldOrZero(16)
    }
  }
}
