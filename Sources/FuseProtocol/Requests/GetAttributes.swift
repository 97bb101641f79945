extension Request {
  /// GETATTR, `struct fuse_getattr_in`; nothing before 7.9.
  public struct GetAttributes: RequestArguments, Hashable, Sendable {
    /// The open file that is meant; nil where none is named.
    public var handle: UInt64?

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.lastStructure(16, before: 9, 0)
      let flags = GetAttributeFlags(rawValue: fields.fieldOrZero(0))
      handle = flags.contains(.handle) ? fields.fieldOrZero(8) : nil
    }
  }
}
