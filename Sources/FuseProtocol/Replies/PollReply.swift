extension Reply {
  /// `struct fuse_poll_out`, 8 bytes: to POLL. Since 7.11.
  public struct Poll: ReplyArguments {
    /// POLL* of poll(2) that are so now.
    public var events: UInt32

    @inlinable
    public init(events: UInt32) {
      self.events = events
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 8 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(events, at: 0)
      memory.put(UInt32(0), at: 4)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      events = payload.field(0)
    }
  }
}
