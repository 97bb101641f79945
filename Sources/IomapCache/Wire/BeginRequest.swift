extension IomapWire {
  /// `fuse_iomap_begin_in`: "where do these bytes live?" (fuse-iomap ABI 3.4.4, 4.3)
  public struct BeginRequest: Payload {
    public static var size: Int { 32 }

    public var operation: Operation
    /// What the server calls the inode in `attr.ino`.
    public var attributeInode: UInt64
    /// First byte of the file that is wanted.
    public var position: UInt64
    /// Bytes wanted.
    public var count: UInt64

    @inlinable
    public init(operation: Operation, attributeInode: UInt64, position: UInt64, count: UInt64) {
      self.operation = operation
      self.attributeInode = attributeInode
      self.position = position
      self.count = count
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      operation = Operation(rawValue: payload.field(0))
      attributeInode = payload.field(8)
      position = payload.field(16)
      count = payload.field(24)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(operation.rawValue, at: 0)
      buffer.put(attributeInode, at: 8)
      buffer.put(position, at: 16)
      buffer.put(count, at: 24)
    }
  }
}
