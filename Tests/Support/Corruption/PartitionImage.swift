/// A small disk with a sound GUID partition table behind a protective master boot record.
public enum PartitionImage {
  public static let size = 64 << 10
  static let entryCount = 4
  static let entrySize = 128

  public static func make(on bytes: ImageBytes, sectorSize: Int) {
    for index in 0..<bytes.count { bytes.raw[index] = 0 }
    bytes.set(0xEE, at: 450, size: 1)
    bytes.set(1, at: 454, size: 4)
    bytes.set(UInt64(size / sectorSize - 1), at: 458, size: 4)
    bytes.set(0xAA55, at: 510, size: 2)
    let header = sectorSize
    for (index, byte) in "EFI PART".utf8.enumerated() { bytes.raw[header + index] = byte }
    bytes.set(0x10000, at: header + 8, size: 4)
    bytes.set(92, at: header + 12, size: 4)
    bytes.set(1, at: header + 24, size: 8)
    bytes.set(UInt64(size / sectorSize - 1), at: header + 32, size: 8)
    bytes.set(2, at: header + 72, size: 8)
    bytes.set(UInt64(entryCount), at: header + 80, size: 4)
    bytes.set(UInt64(entrySize), at: header + 84, size: 4)
    for index in 0..<2 {
      let entry = 2 * sectorSize + index * entrySize
      bytes.set(0x4772_8483_0FC6_3DAF, at: entry, size: 8)
      bytes.set(0xE47D_4769_693D_798E, at: entry + 8, size: 8)
      bytes.set(UInt64(4 + 4 * index), at: entry + 32, size: 8)
      bytes.set(UInt64(7 + 4 * index), at: entry + 40, size: 8)
    }
    repair(bytes, sectorSize: sectorSize)
  }

  /// Puts the checksums right, of as much as the header says.
  public static func repair(_ bytes: ImageBytes, sectorSize: Int) {
    let header = sectorSize
    let place = bytes.number(at: header + 72, size: 8)
      .multipliedReportingOverflow(by: UInt64(sectorSize))
    let count = bytes.number(at: header + 80, size: 4)
      .multipliedReportingOverflow(by: bytes.number(at: header + 84, size: 4))
    if !place.overflow, !count.overflow, let start = Int(exactly: place.partialValue),
      let length = Int(exactly: count.partialValue), bytes.contains(start, length)
    {
      bytes.set(UInt64(Checksums.crc32(bytes.part(start, length))), at: header + 88, size: 4)
    }
    let headerSize = Int(bytes.number(at: header + 12, size: 4))
    guard headerSize <= sectorSize else { return }
    let sum = Checksums.crc32(bytes.part(header, headerSize), zero: 16..<20)
    bytes.set(UInt64(sum), at: header + 16, size: 4)
  }

  /// The fields of the table's structures.
  public static func objects(sectorSize: Int) -> [MetadataObject] {
    [
      MetadataObject(
        kind: .masterBootRecord, name: "", offset: 0, fields: FieldTables.masterBootRecord),
      MetadataObject(
        kind: .partitionHeader, name: "", offset: sectorSize, fields: FieldTables.partitionHeader),
      MetadataObject(
        kind: .partitionEntry, name: "1", offset: 2 * sectorSize,
        fields: FieldTables.partitionEntry),
    ]
  }
}
