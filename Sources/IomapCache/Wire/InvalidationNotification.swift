extension IomapWire {
  /// IOMAP_INVAL_MAPPINGS: "forget these ranges" (fuse-iomap ABI 3.4.8, 5.4).
  public struct InvalidationNotification: Payload {
    public static var size: Int { 48 }

    public var node: IomapNode
    /// For the read fork; nil leaves it alone, and travels as a length of 0.
    public var read: InvalidationRange?
    /// For the write fork; likewise.
    public var write: InvalidationRange?

    @inlinable
    public init(node: IomapNode, read: InvalidationRange?, write: InvalidationRange?) {
      self.node = node
      self.read = read
      self.write = write
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      node = IomapNode(nodeID: payload.field(0), attributeInode: payload.field(8))
      read = Self.range(in: payload, at: 16)
      write = Self.range(in: payload, at: 32)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(node.nodeID, at: 0)
      buffer.put(node.attributeInode, at: 8)
      if let read { Self.put(read, in: buffer, at: 16) }
      if let write { Self.put(write, in: buffer, at: 32) }
    }

    private static func range(
      in payload: UnsafeRawBufferPointer, at offset: Int
    ) -> InvalidationRange? {
      let length: UInt64 = payload.field(offset + 8)
      guard length != 0 else { return nil }
      return InvalidationRange(offset: FileOffset(payload.field(offset)), length: length)
    }

    private static func put(
      _ range: InvalidationRange, in buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) {
      buffer.put(range.offset.rawValue, at: offset)
      buffer.put(range.length, at: offset + 8)
    }
  }
}

extension IomapWire.InvalidationNotification: IomapWire.Notification {
  public static var code: IomapWire.NotificationCode { .invalidation }
}
