extension IomapWire {
  /// `fuse_in_header`, before every request (fuse-iomap ABI 3.3).
  public struct InHeader: Payload {
    public static var size: Int { 40 }

    /// Bytes of the whole request, header included.
    public var length: UInt32
    public var opcode: UInt32
    public var unique: UInt64
    public var nodeID: UInt64
    /// The user, group and process that ask; without meaning when the kernel itself does.
    public var userID: UInt32
    public var groupID: UInt32
    public var processID: UInt32

    public init(
      payloadSize: Int, opcode: Opcode, unique: UInt64, nodeID: UInt64, userID: UInt32 = 0,
      groupID: UInt32 = 0, processID: UInt32 = 0
    ) {
      length = UInt32(Self.size + payloadSize)
      self.opcode = opcode.rawValue
      self.unique = unique
      self.nodeID = nodeID
      self.userID = userID
      self.groupID = groupID
      self.processID = processID
    }

    public init?(_ request: UnsafeRawBufferPointer) {
      guard request.count >= Self.size else { return nil }
      length = request.field(0)
      opcode = request.field(4)
      unique = request.field(8)
      nodeID = request.field(16)
      userID = request.field(24)
      groupID = request.field(28)
      processID = request.field(32)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(length, at: 0)
      buffer.put(opcode, at: 4)
      buffer.put(unique, at: 8)
      buffer.put(nodeID, at: 16)
      buffer.put(userID, at: 24)
      buffer.put(groupID, at: 28)
      buffer.put(processID, at: 32)
    }
  }
}
