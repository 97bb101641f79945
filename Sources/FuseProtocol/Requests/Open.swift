extension Request {
  /// OPEN and OPENDIR, `struct fuse_open_in`.
  public struct Open: RequestArguments, Hashable, Sendable {
    /// O_* of open(2), without O_CREAT, O_EXCL and O_NOCTTY.
    public var flags: UInt32
    public var requestFlags: OpenRequestFlags

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(8)
      flags = fields.field(0)
      requestFlags = OpenRequestFlags(rawValue: fields.field(4))
    }
  }
}
