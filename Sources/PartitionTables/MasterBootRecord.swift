/// The first sector of a disk with a DOS partition table: four entries of 16 bytes from byte 446,
/// and a signature. One of them may be an extended partition, a chain of more such records, each
/// with a logical partition and the place of the next.
struct MasterBootRecord {
  private let entries: [Entry]

  private struct Entry {
    let status: UInt8
    let type: UInt8
    let firstSector: UInt64
    let sectorCount: UInt64

    var isExtended: Bool { [0x05, 0x0F, 0x85].contains(type) }
  }

  /// Nil without the signature, or where the entries are something else that bears it, as a boot
  /// sector of a FAT file system does: the status byte of an entry is 0 or 0x80.
  init?(disk: DiskReader) {
    guard let entries = Self.entries(of: disk, at: 0),
      entries.allSatisfy({ $0.status & 0x7F == 0 }), entries.contains(where: { $0.type != 0 })
    else { return nil }
    self.entries = entries
  }

  /// Whether the disk has a GUID partition table, and this one only keeps others off it.
  var isProtective: Bool { entries.contains { $0.type == 0xEE } }

  /// The primary and logical partitions; extended ones are containers, and not listed.
  func partitions(of disk: DiskReader, sectorSize: Int64) -> [Partition] {
    var result: [Partition] = []
    for (index, entry) in entries.enumerated() where !entry.isExtended {
      if let partition = Partition(
        number: index + 1, firstSector: entry.firstSector, sectorCount: entry.sectorCount,
        sectorSize: sectorSize, typeName: Self.typeNames[entry.type], of: disk)
      {
        result.append(partition)
      }
    }
    var number = 5
    for extended in entries where extended.isExtended && extended.sectorCount > 0 {
      result += Self.logicalPartitions(
        of: extended, from: &number, disk: disk, sectorSize: sectorSize)
    }
    return result
  }

  /// Walks the chain as Linux does (block/partitions/msdos.c): logical partitions count from their
  /// own record, links from the beginning of the extended partition. Only the first two entries of
  /// these records are in use. The chain ends where it comes back to itself, and after 100 records
  /// in any case.
  ///
  /// - Parameter number: the number of the next logical partition.
  private static func logicalPartitions(
    of extended: Entry, from number: inout Int, disk: DiskReader, sectorSize: Int64
  ) -> [Partition] {
    var result: [Partition] = []
    var record = extended.firstSector
    var visited: Set<UInt64> = []
    while visited.count < 100, visited.insert(record).inserted {
      // Sector numbers are sums of two 32-bit numbers: their products with a sector size fit.
      guard record > 0, let entries = entries(of: disk, at: Int64(record) * sectorSize)?.prefix(2)
      else { break }
      for entry in entries where entry.sectorCount > 0 && !entry.isExtended {
        if let partition = Partition(
          number: number, firstSector: record + entry.firstSector,
          sectorCount: entry.sectorCount, sectorSize: sectorSize,
          typeName: typeNames[entry.type], of: disk)
        {
          result.append(partition)
        }
        number += 1
      }
      guard let link = entries.first(where: { $0.isExtended && $0.sectorCount > 0 }) else { break }
      record = extended.firstSector + link.firstSector
    }
    return result
  }

  private static func entries(of disk: DiskReader, at offset: Int64) -> [Entry]? {
    guard let sector = disk.bytes(at: offset, count: 512),
      sector.littleEndian(UInt16.self, at: 510) == 0xAA55
    else { return nil }
    var entries: [Entry] = []
    for start in stride(from: 446, to: 510, by: 16) {
      guard let first = sector.littleEndian(UInt32.self, at: start + 8),
        let count = sector.littleEndian(UInt32.self, at: start + 12)
      else { return nil }
      entries.append(
        Entry(
          status: sector[start], type: sector[start + 4], firstSector: UInt64(first),
          sectorCount: UInt64(count)))
    }
    return entries
  }

  private static let typeNames: [UInt8: String] = [
    0x01: "FAT12", 0x04: "FAT16", 0x06: "FAT16", 0x07: "NTFS or exFAT", 0x0B: "FAT32",
    0x0C: "FAT32", 0x0E: "FAT16", 0x82: "Linux swap", 0x83: "Linux", 0x8E: "Linux LVM",
    0xA5: "FreeBSD", 0xEF: "EFI system", 0xFD: "Linux RAID",
  ]
}
