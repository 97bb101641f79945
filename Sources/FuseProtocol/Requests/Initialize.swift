extension Request {
  /// INIT, `struct fuse_init_in`: the first request. It had two fields before 7.6, four before 7.36, and may be longer than is known.
  public struct Initialize: RequestArguments, Hashable, Sendable {
    /// 7; the fields behind `minor` are without meaning for a larger one.
    public var major: UInt32
    public var minor: UInt32
    /// Bytes. 0 before 7.6.
    public var maximumReadahead: UInt32
    /// What the kernel offers.
    public var flags: InitFlags

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let count = cursor.rest.count
      let fields =
        if count >= 64 { try cursor.takeRest() } else { try cursor.bytes(count >= 16 ? 16 : 8) }
      major = fields.field(0)
      minor = fields.field(4)
      maximumReadahead = fields.fieldOrZero(8)
      flags = InitFlags(flags: fields.fieldOrZero(12), flags2: fields.fieldOrZero(16))
    }
  }
}
