extension Notification {
  /// `struct fuse_notify_inval_entry_out`, the name and a NUL: the name no longer leads where the kernel thinks. Since 7.12.
  public struct InvalidateEntry: NotificationArguments {
    public static var notificationCode: NotificationCode { .invalidateEntry }

    /// The directory.
    public var parent: UInt64
    public var flags: InvalidateEntryFlags
    /// Without NUL. The kernel refuses none at all, and more than it has for names itself: 1024 bytes, or 4095 from Linux 6.15 on.
    public var name: UnsafeRawBufferPointer

    public init(parent: UInt64, name: UnsafeRawBufferPointer, flags: InvalidateEntryFlags = []) {
      self.parent = parent
      self.name = name
      self.flags = flags
    }

    public var payloadSize: Int { 16 + name.count + 1 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      memory.clear(payloadSize)
      memory.put(parent, at: 0)
      memory.put(UInt32(name.count), at: 8)
      memory.put(flags.rawValue, at: 12)
      memory.from(16).copyMemory(from: name)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count > 16, payload[payload.count - 1] == 0,
        payload.count == 16 + Int(payload.field(8, as: UInt32.self)) + 1
      else { return nil }
      parent = payload.field(0)
      flags = InvalidateEntryFlags(rawValue: payload.field(12))
      name = UnsafeRawBufferPointer(rebasing: payload[16..<(payload.count - 1)])
    }
  }
}
