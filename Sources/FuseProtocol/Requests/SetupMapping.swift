extension Request {
  /// SETUPMAPPING, `struct fuse_setupmapping_in`: a part of a file in the window that virtiofs shares with its host. Since 7.31.
  public struct SetupMapping: RequestArguments, Hashable, Sendable {
    public var handle: UInt64
    /// First byte of the file.
    public var fileOffset: UInt64
    /// Bytes.
    public var length: UInt64
    public var flags: SetupMappingFlags
    /// First byte of the window.
    public var memoryOffset: UInt64

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(40)
      handle = fields.field(0)
      fileOffset = fields.field(8)
      length = fields.field(16)
      flags = SetupMappingFlags(rawValue: fields.field(24))
      memoryOffset = fields.field(32)
    }
  }
}
