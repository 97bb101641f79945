extension Request {
  /// SETXATTR, `struct fuse_setxattr_in`, of 16 bytes where SETXATTR_EXT was agreed on, otherwise of 8 (FUSE_COMPAT_SETXATTR_IN_SIZE).
  public struct SetExtendedAttribute: RequestArguments {
    public var name: UnsafeRawBufferPointer
    public var value: UnsafeRawBufferPointer
    /// XATTR_CREATE or XATTR_REPLACE of setxattr(2), or 0.
    public var flags: UInt32
    /// None in the shorter form.
    public var setxattrFlags: SetxattrFlags

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(cursor.negotiated.extendsSetxattr ? 16 : 8)
      flags = fields.field(4)
      setxattrFlags = SetxattrFlags(rawValue: fields.fieldOrZero(8))
      name = try cursor.name()
      value = try cursor.bytes(Int(fields.field(0, as: UInt32.self)))
    }
  }
}
