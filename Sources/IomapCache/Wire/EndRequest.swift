extension IomapWire {
  /// `fuse_iomap_end_in`: what became of a step of a write (fuse-iomap ABI 3.4.5, 4.4). The reply has no
  /// payload.
  public struct EndRequest: Payload {
    public static var size: Int { 72 }

    public var operation: Operation
    public var attributeInode: UInt64
    /// First byte of the step.
    public var position: UInt64
    /// Bytes of the step.
    public var count: UInt64
    /// Bytes that were processed; fewer than `count`, and also none, is common.
    public var written: Int64
    /// The mapping that was acted upon. In v6 always without address and device.
    public var mapping: Mapping

    @inlinable
    public init(
      operation: Operation, attributeInode: UInt64, position: UInt64, count: UInt64,
      written: Int64, mapping: Mapping
    ) {
      self.operation = operation
      self.attributeInode = attributeInode
      self.position = position
      self.count = count
      self.written = written
      self.mapping = mapping
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard let mapping = MappingRecord.decode(payload, at: 40) else { return nil }
      operation = Operation(rawValue: payload.field(0))
      attributeInode = payload.field(8)
      position = payload.field(16)
      count = payload.field(24)
      written = payload.field(32)
      self.mapping = mapping
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(operation.rawValue, at: 0)
      buffer.put(attributeInode, at: 8)
      buffer.put(position, at: 16)
      buffer.put(count, at: 24)
      buffer.put(written, at: 32)
      MappingRecord.encode(mapping, into: buffer, at: 40)
    }
  }
}
