extension Request {
  /// INTERRUPT, `struct fuse_interrupt_in`: the caller of another request was interrupted. Since 7.7.
  public struct Interrupt: RequestArguments, Hashable, Sendable {
    /// The number of that request.
    public var unique: UInt64

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      unique = try cursor.bytes(8).field(0)
    }
  }
}
