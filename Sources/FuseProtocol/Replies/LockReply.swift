extension Reply {
  /// `struct fuse_lk_out`, 24 bytes: to GETLK. Since 7.7.
  public struct Lock: ReplyArguments {
    /// What stands in the way; of type F_UNLCK where nothing does.
    public var lock: FileLock

    @inlinable
    public init(lock: FileLock) {
      self.lock = lock
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 24 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(lock.start, at: 0)
      memory.put(lock.end, at: 8)
      memory.put(lock.type, at: 16)
      memory.put(lock.processID, at: 20)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      lock = FileLock(payload)
    }
  }
}
