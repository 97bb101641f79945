extension Notification {
  /// `struct fuse_notify_retrieve_out`: the kernel is to send what it has cached, as NOTIFY_REPLY. Since 7.15.
  public struct Retrieve: NotificationArguments, Hashable, Sendable {
    public static var notificationCode: NotificationCode { .retrieve }

    /// What the header of the NOTIFY_REPLY will have for its number.
    public var unique: UInt64
    public var nodeID: UInt64
    /// First byte of the file.
    public var offset: UInt64
    /// Bytes.
    public var size: UInt32

    public init(unique: UInt64, nodeID: UInt64, offset: UInt64, size: UInt32) {
      self.unique = unique
      self.nodeID = nodeID
      self.offset = offset
      self.size = size
    }

    public var payloadSize: Int { 32 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      precondition(memory.count >= payloadSize, "the caller gave no room for the notification")
      memory.put(unique, at: 0)
      memory.put(nodeID, at: 8)
      memory.put(offset, at: 16)
      memory.put(size, at: 24)
      memory.put(UInt32(0), at: 28)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count == 32 else { return nil }
      unique = payload.field(0)
      nodeID = payload.field(8)
      offset = payload.field(16)
      size = payload.field(24)
    }
  }
}
