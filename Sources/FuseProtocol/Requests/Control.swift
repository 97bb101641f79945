extension Request {
  /// IOCTL, `struct fuse_ioctl_in` and the input. Since 7.11.
  public struct Control: RequestArguments {
    public var handle: UInt64
    public var flags: IoctlFlags
    /// The number of the ioctl.
    public var command: UInt32
    /// The third argument of ioctl(2): a number, or an address in the caller.
    public var argument: UInt64
    /// The most bytes of output that the reply may have.
    public var outputSize: UInt32
    public var input: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(32)
      handle = fields.field(0)
      flags = IoctlFlags(rawValue: fields.field(8))
      command = fields.field(12)
      argument = fields.field(16)
      outputSize = fields.field(28)
      input = try cursor.bytes(Int(fields.field(24, as: UInt32.self)))
    }
  }
}
