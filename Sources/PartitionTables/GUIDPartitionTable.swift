/// The partition table of the UEFI specification: a header in sector 1, an array of entries where
/// the header says, and a backup of both at the end of the disk, each with checksums.
enum GUIDPartitionTable {
  /// Nil if neither the header nor its backup is intact.
  static func partitions(of disk: DiskReader, sectorSize: Int64) -> [Partition]? {
    let lastSector = disk.byteCount / sectorSize - 1
    for sector in [1, lastSector] where sector >= 1 {
      if let table = partitions(of: disk, sectorSize: sectorSize, headerAt: sector) {
        return table
      }
    }
    return nil
  }

  private static func partitions(
    of disk: DiskReader, sectorSize: Int64, headerAt sector: Int64
  ) -> [Partition]? {
    guard let header = Header(disk: disk, sectorSize: sectorSize, sector: sector),
      let array = header.entryArray(of: disk, sectorSize: sectorSize)
    else { return nil }
    return (0..<header.entryCount).compactMap { index in
      let entry = array[(index * header.entrySize)..<((index + 1) * header.entrySize)]
      guard entry.prefix(16).contains(where: { $0 != 0 }),
        let first = entry.littleEndian(UInt64.self, at: 32),
        let last = entry.littleEndian(UInt64.self, at: 40),
        first > 0, first <= last, last < .max
      else { return nil }
      return Partition(
        number: index + 1, firstSector: first, sectorCount: last - first + 1,
        sectorSize: sectorSize, typeName: typeNames[guid(entry.prefix(16))], of: disk)
    }
  }

  private struct Header {
    let entriesSector: UInt64
    let entryCount: Int
    let entrySize: Int
    let entriesChecksum: UInt32

    init?(disk: DiskReader, sectorSize: Int64, sector: Int64) {
      guard let bytes = disk.bytes(at: sector * sectorSize, count: Int(sectorSize)),
        bytes.starts(with: Array("EFI PART".utf8)),
        let size = bytes.littleEndian(UInt32.self, at: 12).map(Int.init),
        (92...bytes.count).contains(size),
        let checksum = bytes.littleEndian(UInt32.self, at: 16),
        bytes.littleEndian(Int64.self, at: 24) == sector,
        let entriesSector = bytes.littleEndian(UInt64.self, at: 72),
        let entryCount = bytes.littleEndian(UInt32.self, at: 80),
        let entrySize = bytes.littleEndian(UInt32.self, at: 84),
        let entriesChecksum = bytes.littleEndian(UInt32.self, at: 88)
      else { return nil }
      // The checksum counts itself as zero.
      var header = bytes[..<size]
      header.replaceSubrange(16..<20, with: repeatElement(0, count: 4))
      guard CRC32.checksum(of: header) == checksum,
        (1...4096).contains(entryCount), (128...4096).contains(entrySize),
        entrySize.isMultiple(of: 8)
      else { return nil }
      self.entriesSector = entriesSector
      self.entryCount = Int(entryCount)
      self.entrySize = Int(entrySize)
      self.entriesChecksum = entriesChecksum
    }

    func entryArray(of disk: DiskReader, sectorSize: Int64) -> [UInt8]? {
      guard entriesSector < UInt64(disk.byteCount / sectorSize),
        let array = disk.bytes(
          at: Int64(entriesSector) * sectorSize, count: entryCount * entrySize),
        CRC32.checksum(of: array) == entriesChecksum
      else { return nil }
      return array
    }
  }

  /// The textual form. The first three of the five groups are little-endian numbers.
  private static func guid(_ bytes: ArraySlice<UInt8>) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
    var text = ""
    for (position, index) in order.enumerated() {
      if [4, 6, 8, 10].contains(position) { text += "-" }
      let byte = bytes[bytes.startIndex + index]
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
    return text
  }

  private static let typeNames = [
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux filesystem",
    "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "Linux swap",
    "E6D6D379-F507-44C2-A23C-238F2A3DF928": "Linux LVM",
    "A19D880F-05FC-4D3B-A006-743F0F84911E": "Linux RAID",
    "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709": "Linux root (x86-64)",
    "B921B045-1DF0-41C3-AF44-4C6F280D3FAE": "Linux root (ARM64)",
    "933AC7E1-2EB4-4F13-B844-0E14E2AEF915": "Linux home",
    "3B8F8425-20E0-4F3B-907F-1A25A76F98E8": "Linux server data",
    "BC13C2FF-59E6-4262-A352-B275FD6F7172": "Linux extended boot",
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI system",
    "21686148-6449-6E6F-744E-656564454649": "BIOS boot",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "Microsoft basic data",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "Microsoft reserved",
  ]
}
