extension Request {
  /// WRITE, `struct fuse_write_in` and the data.
  public struct Write: RequestArguments {
    public var handle: UInt64
    /// First byte.
    public var offset: UInt64
    public var writeFlags: WriteFlags
    /// Nil where none is named.
    public var lockOwner: UInt64?
    /// O_* of the open file. 0 before 7.9.
    public var flags: UInt32
    public var data: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      // FUSE_COMPAT_WRITE_IN_SIZE.
      let fields = try cursor.bytes(cursor.negotiated.minor < 9 ? 24 : 40)
      handle = fields.field(0)
      offset = fields.field(8)
      writeFlags = WriteFlags(rawValue: fields.field(20))
      lockOwner =
        writeFlags.contains(.lockOwner) && fields.count == 40 ? fields.field(24) : nil
      flags = fields.fieldOrZero(32)
      data = try cursor.bytes(Int(fields.field(16, as: UInt32.self)))
    }
  }
}
