extension Notification {
  /// `struct fuse_notify_inval_inode_out`: what the kernel has cached of a node is no longer true. ENOENT for a node that it does not know.
  /// Since 7.12.
  public struct InvalidateInode: NotificationArguments, Hashable, Sendable {
    public static var notificationCode: NotificationCode { .invalidateInode }

    public var nodeID: UInt64
    /// First byte of the data that is no longer true; below zero for the attributes alone.
    public var offset: Int64
    /// Bytes; 0 for all that is behind the offset.
    public var length: Int64

    @inlinable
    public init(nodeID: UInt64, offset: Int64, length: Int64) {
      self.nodeID = nodeID
      self.offset = offset
      self.length = length
    }

    public var payloadSize: Int { 24 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      precondition(memory.count >= payloadSize, "the caller gave no room for the notification")
      memory.put(nodeID, at: 0)
      memory.put(offset, at: 8)
      memory.put(length, at: 16)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count == 24 else { return nil }
      nodeID = payload.field(0)
      offset = payload.field(8)
      length = payload.field(16)
    }
  }
}
