extension Request {
  /// NOTIFY_REPLY, `struct fuse_notify_retrieve_in` and the data: what a RETRIEVE notification asked for, whose number is that of the header. Has no
  /// reply. Since 7.15.
  public struct RetrievedData: RequestArguments {
    /// First byte of the file.
    public var offset: UInt64
    /// What the kernel has cached from there on; may be less than was asked for.
    public var data: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(40)
      offset = fields.field(8)
      data = try cursor.bytes(Int(fields.field(16, as: UInt32.self)))
    }
  }
}
