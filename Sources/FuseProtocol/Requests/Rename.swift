extension Request {
  /// RENAME, `struct fuse_rename_in`, and RENAME2, `struct fuse_rename2_in`, which is since 7.23.
  public struct Rename: RequestArguments {
    /// The directory that the file goes to.
    public var newParent: UInt64
    /// RENAME_* of renameat2(2); 0 for RENAME.
    public var flags: UInt32
    public var name: UnsafeRawBufferPointer
    public var newName: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(cursor.opcode == .rename2 ? 16 : 8)
      newParent = fields.field(0)
      flags = fields.fieldOrZero(8)
      name = try cursor.name()
      newName = try cursor.name()
    }
  }
}
