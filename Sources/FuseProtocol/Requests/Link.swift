extension Request {
  /// LINK, `struct fuse_link_in`: a name in the directory of the header for a node that there is.
  public struct Link: RequestArguments {
    public var nodeID: UInt64
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      nodeID = try cursor.bytes(8).field(0)
      name = try cursor.name()
    }
  }
}
