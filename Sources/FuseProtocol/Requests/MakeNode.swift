extension Request {
  /// MKNOD, `struct fuse_mknod_in`.
  public struct MakeNode: RequestArguments {
    /// Type and permissions. The umask has been applied unless DONT_MASK was agreed on.
    public var mode: UInt32
    /// In the kernel's `new_encode_dev` form; 0 for what is no device.
    public var device: UInt32
    /// 0 before 7.12.
    public var umask: UInt32
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      // FUSE_COMPAT_MKNOD_IN_SIZE.
      let fields = try cursor.bytes(cursor.negotiated.minor < 12 ? 8 : 16)
      mode = fields.field(0)
      device = fields.field(4)
      umask = fields.fieldOrZero(8)
      name = try cursor.name()
    }
  }
}
