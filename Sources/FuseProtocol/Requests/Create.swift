extension Request {
  /// CREATE and TMPFILE, `struct fuse_create_in`: a new file, open. TMPFILE is since 7.37, and its name is of no use.
  public struct Create: RequestArguments {
    /// O_* of open(2).
    public var flags: UInt32
    /// Type and permissions. The umask has been applied unless DONT_MASK was agreed on.
    public var mode: UInt32
    /// 0 before 7.12.
    public var umask: UInt32
    /// None before 7.12.
    public var requestFlags: OpenRequestFlags
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      // The first two fields were all there was.
      let fields = try cursor.bytes(cursor.negotiated.minor < 12 ? 8 : 16)
      flags = fields.field(0)
      mode = fields.field(4)
      umask = fields.fieldOrZero(8)
      requestFlags = OpenRequestFlags(rawValue: fields.fieldOrZero(12))
      name = try cursor.name()
    }
  }
}
