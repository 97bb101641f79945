extension Request {
  /// MKDIR, `struct fuse_mkdir_in`.
  public struct MakeDirectory: RequestArguments {
    /// Permissions. The umask has been applied unless DONT_MASK was agreed on.
    public var mode: UInt32
    /// Without meaning before 7.12.
    public var umask: UInt32
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(8)
      mode = fields.field(0)
      umask = fields.field(4)
      name = try cursor.name()
    }
  }
}
