extension Reply {
  /// `struct fuse_copy_file_range_out`, 8 bytes: to COPY_FILE_RANGE_64. Since 7.45.
  public struct CopyFileRange: ReplyArguments {
    /// Bytes copied.
    public var count: UInt64

    @inlinable
    public init(count: UInt64) {
      self.count = count
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 8 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(count, at: 0)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      count = payload.field(0)
    }
  }
}
