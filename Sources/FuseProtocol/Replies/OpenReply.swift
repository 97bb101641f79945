extension Reply {
  /// `struct fuse_open_out`, 16 bytes: to OPEN and OPENDIR.
  public struct Open: ReplyArguments {
    /// What later requests call the open file.
    public var handle: UInt64
    public var flags: OpenReplyFlags
    /// With `passthrough`: what BACKING_OPEN gave for the file that the kernel is to read and write. Since 7.40; 0 otherwise.
    public var backingID: Int32

    @inlinable
    public init(handle: UInt64, flags: OpenReplyFlags, backingID: Int32 = 0) {
      self.handle = handle
      self.flags = flags
      self.backingID = backingID
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 16 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(handle, at: 0)
      memory.put(flags.rawValue, at: 8)
      memory.put(backingID, at: 12)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      handle = payload.field(0)
      flags = OpenReplyFlags(rawValue: payload.field(8))
      backingID = payload.field(12)
    }
  }
}
