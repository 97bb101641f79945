extension Request {
  /// READ, READDIR and READDIRPLUS, `struct fuse_read_in`.
  public struct Read: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// First byte; in a directory the position that the entry before has named, and 0 at the beginning.
    public var offset: UInt64
    /// The most bytes that the reply may have.
    public var size: UInt32
    /// None before 7.9.
    public var readFlags: ReadFlags
    /// Nil where none is named.
    public var lockOwner: UInt64?
    /// O_* of the open file. 0 before 7.9.
    public var flags: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.lastStructure(40, before: 9, 24)
      handle = fields.field(0)
      offset = fields.field(8)
      size = fields.field(16)
      // What was padding before 7.9 says nothing.
      let readFlags = ReadFlags(rawValue: fields.count < 40 ? 0 : fields.field(20))
      self.readFlags = readFlags
      lockOwner = readFlags.contains(.lockOwner) ? fields.field(24) : nil
      flags = fields.fieldOrZero(32)
    }
  }
}
