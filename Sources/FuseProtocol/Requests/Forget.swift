extension Request {
  /// FORGET, `struct fuse_forget_in`: the kernel gives up references to the node of the header. Has no reply.
  public struct Forget: RequestArguments, Hashable, Sendable {
    /// How many references.
    public var lookups: UInt64

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      lookups = try cursor.bytes(8).field(0)
    }
  }
}
