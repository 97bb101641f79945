extension Request {
  /// RELEASE and RELEASEDIR, `struct fuse_release_in`.
  public struct Release: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// O_* of the open file.
    public var flags: UInt32
    /// None before 7.8.
    public var releaseFlags: ReleaseFlags
    /// 0 before 7.8.
    public var lockOwner: UInt64

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.lastStructure(24, before: 8, 16)
      handle = fields.field(0)
      flags = fields.field(8)
      releaseFlags = ReleaseFlags(rawValue: fields.count < 24 ? 0 : fields.field(12))
      lockOwner = fields.fieldOrZero(16)
    }
  }
}
