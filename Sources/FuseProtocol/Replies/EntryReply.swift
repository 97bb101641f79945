extension Reply {
  /// `struct fuse_entry_out`, 128 bytes (FUSE_COMPAT_ENTRY_OUT_SIZE, 120, before 7.9): to LOOKUP, SYMLINK, MKNOD, MKDIR and LINK. The kernel
  /// refers to the node once more from then on.
  public struct Entry: ReplyArguments {
    /// 0 in the reply to LOOKUP: there is no such name, and the kernel may rely on that.
    public var nodeID: UInt64
    /// Tells apart files that have had the same node id.
    public var generation: UInt64
    public var nameTimeout: CacheTimeout
    public var attributeTimeout: CacheTimeout
    public var attributes: FileAttributes

    @inlinable
    public init(
      nodeID: UInt64, generation: UInt64, nameTimeout: CacheTimeout,
      attributeTimeout: CacheTimeout, attributes: FileAttributes
    ) {
      self.nodeID = nodeID
      self.generation = generation
      self.nameTimeout = nameTimeout
      self.attributeTimeout = attributeTimeout
      self.attributes = attributes
    }

    @inlinable
    public static func size(at minor: UInt32) -> Int { 40 + FileAttributes.size(at: minor) }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(nodeID, at: 0)
      memory.put(generation, at: 8)
      memory.put(nameTimeout.seconds, at: 16)
      memory.put(attributeTimeout.seconds, at: 24)
      memory.put(nameTimeout.nanoseconds, at: 32)
      memory.put(attributeTimeout.nanoseconds, at: 36)
      attributes.encode(into: memory, at: 40, minor)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      nodeID = payload.field(0)
      generation = payload.field(8)
      nameTimeout = CacheTimeout(seconds: payload.field(16), nanoseconds: payload.field(32))
      attributeTimeout = CacheTimeout(seconds: payload.field(24), nanoseconds: payload.field(36))
      attributes = FileAttributes(UnsafeRawBufferPointer(rebasing: payload[40...]))
    }
  }
}
