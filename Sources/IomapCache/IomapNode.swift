/// An inode that the kernel knows, by both of its numbers.
public struct IomapNode: Hashable, Sendable {
  /// FUSE's number for it.
  public var nodeID: UInt64
  /// The number that the server gave in `attr.ino`; the kernel refuses any other.
  public var attributeInode: UInt64

  @inlinable
  public init(nodeID: UInt64, attributeInode: UInt64) {
    self.nodeID = nodeID
    self.attributeInode = attributeInode
  }
}
