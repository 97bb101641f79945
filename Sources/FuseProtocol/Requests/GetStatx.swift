extension Request {
  /// STATX, `struct fuse_statx_in`. Since 7.39.
  public struct GetStatx: RequestArguments, Hashable, Sendable {
    /// The open file that is meant; nil where none is named.
    public var handle: UInt64?
    /// AT_STATX_* of statx(2).
    public var flags: UInt32
    /// STATX_* of statx(2): what is wanted.
    public var mask: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(24)
      let getattr = GetAttributeFlags(rawValue: fields.field(0))
      handle = getattr.contains(.handle) ? fields.field(8) : nil
      flags = fields.field(16)
      mask = fields.field(20)
    }
  }
}
