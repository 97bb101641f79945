extension Request {
  /// POLL, `struct fuse_poll_in`. Since 7.11.
  public struct Poll: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// What a POLL notification names.
    public var kernelHandle: UInt64
    public var flags: PollFlags
    /// POLL* of poll(2) that the caller waits for. 0 before 7.21.
    public var events: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(24)
      handle = fields.field(0)
      kernelHandle = fields.field(8)
      flags = PollFlags(rawValue: fields.field(16))
      events = cursor.negotiated.minor < 21 ? 0 : fields.field(20)
    }
  }
}
