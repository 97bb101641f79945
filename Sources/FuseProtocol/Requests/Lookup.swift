extension Request {
  /// LOOKUP: the node that `name` leads to in the directory of the header. The kernel refers to it once more from the reply on.
  public struct Lookup: RequestArguments {
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      name = try cursor.name()
    }
  }
}
