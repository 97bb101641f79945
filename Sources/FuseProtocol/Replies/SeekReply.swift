extension Reply {
  /// `struct fuse_lseek_out`, 8 bytes: to LSEEK. Since 7.24.
  public struct Seek: ReplyArguments {
    /// Bytes.
    public var offset: UInt64

    @inlinable
    public init(offset: UInt64) {
      self.offset = offset
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 8 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(offset, at: 0)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      offset = payload.field(0)
    }
  }
}
