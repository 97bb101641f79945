extension Request {
  /// LISTXATTR, `struct fuse_getxattr_in`.
  public struct ListExtendedAttributes: RequestArguments, Hashable, Sendable {
    /// The most bytes that the reply may have; 0 asks for the size of the list.
    public var size: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      size = try cursor.bytes(8).field(0)
    }
  }
}
