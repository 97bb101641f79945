extension Request {
  /// UNLINK and RMDIR.
  public struct Unlink: RequestArguments {
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      name = try cursor.name()
    }
  }
}
