extension Request {
  /// SYMLINK.
  public struct MakeSymbolicLink: RequestArguments {
    public var name: UnsafeRawBufferPointer
    public var target: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      name = try cursor.name()
      target = try cursor.name()
    }
  }
}
