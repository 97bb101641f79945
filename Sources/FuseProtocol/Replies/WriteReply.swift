extension Reply {
  /// `struct fuse_write_out`, 8 bytes: to WRITE and COPY_FILE_RANGE.
  public struct Write: ReplyArguments {
    /// Bytes written.
    public var count: UInt32

    @inlinable
    public init(count: UInt32) {
      self.count = count
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 8 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(count, at: 0)
      memory.put(UInt32(0), at: 4)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      count = payload.field(0)
    }
  }
}
