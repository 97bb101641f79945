extension Request {
  /// GETLK, SETLK and SETLKW, `struct fuse_lk_in`. Since 7.7.
  public struct Lock: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    public var owner: UInt64
    public var lock: FileLock
    /// None before 7.9.
    public var flags: LockFlags

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.lastStructure(48, before: 9, 40)
      handle = fields.field(0)
      owner = fields.field(8)
      lock = FileLock(UnsafeRawBufferPointer(rebasing: fields[16..<(16 + FileLock.size)]))
      flags = LockFlags(rawValue: fields.fieldOrZero(40))
    }
  }
}
