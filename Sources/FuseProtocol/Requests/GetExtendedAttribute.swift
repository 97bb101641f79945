extension Request {
  /// GETXATTR, `struct fuse_getxattr_in`.
  public struct GetExtendedAttribute: RequestArguments {
    /// The most bytes that the reply may have; 0 asks for the size of the value.
    public var size: UInt32
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      size = try cursor.bytes(8).field(0)
      name = try cursor.name()
    }
  }
}
