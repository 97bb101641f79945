extension IomapWire {
  /// `fuse_iomap_io`, 32 bytes (fuse-iomap ABI 3.4.3): a `Mapping` as it travels.
  public enum MappingRecord {
    /// In bytes.
    public static var size: Int { 32 }

    /// Writes the record to `buffer`, from `offset` on, where there must be room.
    public static func encode(
      _ mapping: Mapping, into buffer: UnsafeMutableRawBufferPointer, at offset: Int = 0
    ) {
      precondition(offset >= 0 && buffer.count - offset >= size, "no room for the structure")
      buffer.put(mapping.offset.rawValue, at: offset)
      buffer.put(mapping.length, at: offset + 8)
      buffer.put(mapping.address.rawValue, at: offset + 16)
      buffer.put(mapping.kind.rawValue, at: offset + 24)
      buffer.put(mapping.flags.rawValue, at: offset + 26)
      buffer.put(mapping.device.rawValue, at: offset + 28)
    }

    /// The record at `offset`. Nil when the payload is too short, or the type one that does not exist.
    public static func decode(_ payload: UnsafeRawBufferPointer, at offset: Int = 0) -> Mapping? {
      guard offset >= 0, payload.count - offset >= size else { return nil }
      return try? decodeChecked(payload, at: offset)
    }

    /// The record at `offset`, which must be there in full. `unknownKind` for a type that does not exist
    /// (fuse-iomap ABI 4.3.2, rule 1).
    public static func decodeChecked(
      _ payload: UnsafeRawBufferPointer, at offset: Int = 0
    ) throws(MappingFlaw) -> Mapping {
      precondition(offset >= 0 && payload.count - offset >= size, "no whole structure")
      let type: UInt16 = payload.field(offset + 24)
      guard let kind = Mapping.Kind(rawValue: type) else { throw .unknownKind(type) }
      return Mapping(
        offset: FileOffset(payload.field(offset)), length: payload.field(offset + 8),
        address: DeviceOffset(payload.field(offset + 16)), kind: kind,
        flags: Mapping.Flags(rawValue: payload.field(offset + 26)),
        device: DeviceCookie(rawValue: payload.field(offset + 28)))
    }
  }
}
