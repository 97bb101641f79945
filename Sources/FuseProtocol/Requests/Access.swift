extension Request {
  /// ACCESS, `struct fuse_access_in`. Since 7.3.
  public struct Access: RequestArguments, Hashable, Sendable {
    /// R_OK, W_OK and X_OK of access(2), or 0.
    public var mask: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      mask = try cursor.bytes(8).field(0)
    }
  }
}
