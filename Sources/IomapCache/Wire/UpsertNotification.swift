extension IomapWire {
  /// IOMAP_UPSERT_MAPPINGS: "remember these mappings" (fuse-iomap ABI 3.4.8, 5.3).
  public struct UpsertNotification: Payload {
    public static var size: Int { 80 }

    public var node: IomapNode
    /// For the read fork; of kind `noCache` to leave it alone.
    public var read: Mapping
    /// For the write fork; of kind `noCache` to leave it alone.
    public var write: Mapping

    @inlinable
    public init(node: IomapNode, read: Mapping, write: Mapping) {
      self.node = node
      self.read = read
      self.write = write
    }

    /// Nil also for a mapping type that does not exist, which the kernel answers with EUCLEAN.
    public init?(_ payload: UnsafeRawBufferPointer) {
      guard let read = MappingRecord.decode(payload, at: 16),
        let write = MappingRecord.decode(payload, at: 48)
      else { return nil }
      node = IomapNode(nodeID: payload.field(0), attributeInode: payload.field(8))
      self.read = read
      self.write = write
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(node.nodeID, at: 0)
      buffer.put(node.attributeInode, at: 8)
      MappingRecord.encode(read, into: buffer, at: 16)
      MappingRecord.encode(write, into: buffer, at: 48)
    }
  }
}

extension IomapWire.UpsertNotification: IomapWire.Notification {
  public static var code: IomapWire.NotificationCode { .upsert }
}
