extension Notification {
  /// `struct fuse_notify_store_out` and the data: for the page cache. Since 7.15.
  public struct Store: NotificationArguments {
    public static var notificationCode: NotificationCode { .store }

    public var nodeID: UInt64
    /// First byte of the file.
    public var offset: UInt64
    public var data: UnsafeRawBufferPointer

    public init(nodeID: UInt64, offset: UInt64, data: UnsafeRawBufferPointer) {
      self.nodeID = nodeID
      self.offset = offset
      self.data = data
    }

    public var payloadSize: Int { 24 + data.count }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      precondition(memory.count >= payloadSize, "the caller gave no room for the notification")
      memory.put(nodeID, at: 0)
      memory.put(offset, at: 8)
      memory.put(UInt32(data.count), at: 16)
      memory.put(UInt32(0), at: 20)
      memory.from(24).copyMemory(from: data)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= 24, payload.count == 24 + Int(payload.field(16, as: UInt32.self))
      else { return nil }
      nodeID = payload.field(0)
      offset = payload.field(8)
      data = UnsafeRawBufferPointer(rebasing: payload[24...])
    }
  }
}
