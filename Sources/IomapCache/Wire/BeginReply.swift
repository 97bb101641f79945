extension IomapWire {
  /// `fuse_iomap_begin_out`: where they live (fuse-iomap ABI 3.4.4).
  public struct BeginReply: Payload {
    public static var size: Int { 64 }

    public var mappings: MappingPair

    @inlinable
    public init(_ mappings: MappingPair) {
      self.mappings = mappings
    }

    /// Nil also for a mapping type that does not exist, which the kernel answers with EUCLEAN.
    public init?(_ payload: UnsafeRawBufferPointer) {
      guard let read = MappingRecord.decode(payload),
        let write = MappingRecord.decode(payload, at: MappingRecord.size)
      else { return nil }
      mappings = MappingPair(read: read, write: write)
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      MappingRecord.encode(mappings.read, into: buffer)
      MappingRecord.encode(mappings.write, into: buffer, at: MappingRecord.size)
    }
  }
}
