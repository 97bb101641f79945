extension Request {
  /// SETATTR, `struct fuse_setattr_in`. What `selection` does not name is without meaning.
  public struct SetAttributes: RequestArguments, Hashable, Sendable {
    public var selection: AttributeSelection
    public var handle: UInt64
    /// Bytes.
    public var size: UInt64
    public var lockOwner: UInt64
    public var accessTime: Timestamp
    public var modificationTime: Timestamp
    public var changeTime: Timestamp
    public var mode: UInt32
    public var userID: UInt32
    public var groupID: UInt32

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let fields = try cursor.bytes(88)
      selection = AttributeSelection(rawValue: fields.field(0))
      handle = fields.field(8)
      size = fields.field(16)
      lockOwner = fields.field(24)
      accessTime = Timestamp(seconds: fields.field(32), nanoseconds: fields.field(56))
      modificationTime = Timestamp(seconds: fields.field(40), nanoseconds: fields.field(60))
      changeTime = Timestamp(seconds: fields.field(48), nanoseconds: fields.field(64))
      mode = fields.field(68)
      userID = fields.field(76)
      groupID = fields.field(80)
    }
  }
}
