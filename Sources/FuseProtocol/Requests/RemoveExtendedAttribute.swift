extension Request {
  /// REMOVEXATTR.
  public struct RemoveExtendedAttribute: RequestArguments {
    public var name: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      name = try cursor.name()
    }
  }
}
