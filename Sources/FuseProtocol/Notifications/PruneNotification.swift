extension Notification {
  /// `struct fuse_notify_prune_out` and node ids: the kernel is to let go of nodes that are not in use. Since 7.45.
  public struct Prune: NotificationArguments {
    public static var notificationCode: NotificationCode { .prune }

    /// The node ids, of 8 bytes each in the order of the host.
    public var nodeIDs: UnsafeRawBufferPointer

    /// `nodeIDs` must outlive the value.
    public init(nodeIDs: UnsafeBufferPointer<UInt64>) {
      self.nodeIDs = UnsafeRawBufferPointer(nodeIDs)
    }

    public var payloadSize: Int { 16 + nodeIDs.count }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      memory.clear(payloadSize)
      memory.put(UInt32(nodeIDs.count / 8), at: 0)
      memory.from(16).copyMemory(from: nodeIDs)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= 16, payload.count == 16 + Int(payload.field(0, as: UInt32.self)) * 8
      else { return nil }
      nodeIDs = UnsafeRawBufferPointer(rebasing: payload[16...])
    }
  }
}
