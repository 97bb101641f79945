extension Notification {
  /// `struct fuse_notify_delete_out`, the name and a NUL: a file was removed behind the kernel's back. Since 7.18.
  public struct Delete: NotificationArguments {
    public static var notificationCode: NotificationCode { .delete }

    /// The directory.
    public var parent: UInt64
    /// The node that the name led to; with another one the kernel does nothing. 0 makes INVAL_ENTRY of it.
    public var child: UInt64
    /// Without NUL. The kernel refuses none at all, and more than it has for names itself: 1024 bytes, or 4095 from Linux 6.15 on.
    public var name: UnsafeRawBufferPointer

    public init(parent: UInt64, child: UInt64, name: UnsafeRawBufferPointer) {
      self.parent = parent
      self.child = child
      self.name = name
    }

    public var payloadSize: Int { 24 + name.count + 1 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      memory.clear(payloadSize)
      memory.put(parent, at: 0)
      memory.put(child, at: 8)
      memory.put(UInt32(name.count), at: 16)
      memory.from(24).copyMemory(from: name)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count > 24, payload[payload.count - 1] == 0,
        payload.count == 24 + Int(payload.field(16, as: UInt32.self)) + 1
      else { return nil }
      parent = payload.field(0)
      child = payload.field(8)
      name = UnsafeRawBufferPointer(rebasing: payload[24..<(payload.count - 1)])
    }
  }
}
