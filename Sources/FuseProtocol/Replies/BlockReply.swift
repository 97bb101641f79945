extension Reply {
  /// `struct fuse_bmap_out`, 8 bytes: to BMAP. Since 7.8.
  public struct Block: ReplyArguments {
    /// On the device, in the blocks of the request; 0 for one that is nowhere.
    public var block: UInt64

    @inlinable
    public init(block: UInt64) {
      self.block = block
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 8 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(block, at: 0)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      block = payload.field(0)
    }
  }
}
