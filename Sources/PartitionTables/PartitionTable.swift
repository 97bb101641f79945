/// One partition, as Linux would number it.
public struct Partition: Equatable, Sendable {
  /// 1 and up; logical partitions of an MBR begin at 5.
  public let number: Int
  /// From the beginning of the device.
  public let byteOffset: Int64
  /// Cut off at the end of the device.
  public let byteCount: Int64
  /// What the table says is in it, if that is known here.
  public let typeName: String?
}

/// The partitions of a disk, from a GUID partition table or a master boot record.
public struct PartitionTable: Sendable {
  /// In the order of the table. Only what begins within the device is listed.
  public let partitions: [Partition]
  /// There is a GUID partition table, and neither it nor its backup can be used.
  public let isDamaged: Bool

  /// Nil if there is no partition table.
  ///
  /// As Linux does, a GUID partition table counts only behind a protective master boot record. What
  /// a sector is, the table does not say: a GUID partition table shows it by its place; a master
  /// boot record is read with the size that leads to a file system, or else with 512.
  public init?(of disk: DiskReader) {
    guard let bootRecord = MasterBootRecord(disk: disk) else { return nil }
    if bootRecord.isProtective {
      let tables = Self.sectorSizes.lazy.compactMap {
        GUIDPartitionTable.partitions(of: disk, sectorSize: $0)
      }
      partitions = tables.first ?? []
      isDamaged = tables.isEmpty
    } else {
      let tables = Self.sectorSizes.map { bootRecord.partitions(of: disk, sectorSize: $0) }
      let plausible = tables.first { table in
        table.contains { disk.hasExtSuperblock(at: $0.byteOffset) }
      }
      partitions = plausible ?? tables[0]
      isDamaged = false
    }
  }

  public subscript(number: Int) -> Partition? {
    partitions.first { $0.number == number }
  }

  private static let sectorSizes: [Int64] = [512, 4096]
}

extension Partition {
  /// A partition given in sectors; nil if it is empty or begins beyond the device.
  init?(
    number: Int, firstSector: UInt64, sectorCount: UInt64, sectorSize: Int64, typeName: String?,
    of disk: DiskReader
  ) {
    let sectors = UInt64(disk.byteCount / sectorSize)
    guard sectorCount > 0, firstSector < sectors else { return nil }
    self.number = number
    self.byteOffset = Int64(firstSector) * sectorSize
    self.byteCount = Int64(min(sectorCount, sectors - firstSector)) * sectorSize
    self.typeName = typeName
  }
}
