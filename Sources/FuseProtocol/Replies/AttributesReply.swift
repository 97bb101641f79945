extension Reply {
  /// `struct fuse_attr_out`, 104 bytes (FUSE_COMPAT_ATTR_OUT_SIZE, 96, before 7.9): to GETATTR and SETATTR.
  public struct Attributes: ReplyArguments {
    public var timeout: CacheTimeout
    public var attributes: FileAttributes

    @inlinable
    public init(timeout: CacheTimeout, attributes: FileAttributes) {
      self.timeout = timeout
      self.attributes = attributes
    }

    @inlinable
    public static func size(at minor: UInt32) -> Int { 16 + FileAttributes.size(at: minor) }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(timeout.seconds, at: 0)
      memory.put(timeout.nanoseconds, at: 8)
      memory.put(UInt32(0), at: 12)
      attributes.encode(into: memory, at: 16, minor)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      timeout = CacheTimeout(seconds: payload.field(0), nanoseconds: payload.field(8))
      attributes = FileAttributes(UnsafeRawBufferPointer(rebasing: payload[16...]))
    }
  }
}
