import PartitionTables

/// The part of a file or device that holds the file system.
struct ImageWindow {
  /// From the beginning of the device.
  let byteOffset: Int64
  let byteCount: Int64

  /// What `options` choose, or all of the device.
  ///
  /// - Throws: a mount failure if there is no superblock of the ext family. Where a partition table
  ///   explains that, it names the partitions that have one.
  init(of disk: DiskReader, path: String, options: MountOptions) throws(StartupFailure) {
    if let number = options.partition {
      try self.init(partition: number, of: disk, path: path)
    } else if let offset = options.offset {
      try self.init(offset: offset, of: disk, path: path)
    } else {
      try self.init(wholeOf: disk, path: path)
    }
  }

  private init(partition number: Int, of disk: DiskReader, path: String) throws(StartupFailure) {
    guard let table = PartitionTable(of: disk) else {
      throw .mount("'\(path)' has no partition table, and so no partition \(number)")
    }
    if table.isDamaged { throw Self.damagedTable(path) }
    guard let partition = table[number] else {
      let others = table.partitions.map(\.description).joined(separator: ", ")
      throw .mount(
        "'\(path)' has no partition \(number)"
          + (others.isEmpty ? ": its partition table is empty" : "; it has \(others)"))
    }
    guard disk.hasExtSuperblock(at: partition.byteOffset) else {
      throw .mount(
        "partition \(partition.description) of '\(path)' \(Self.noFileSystem)"
          + Self.suggestion(table, of: disk))
    }
    byteOffset = partition.byteOffset
    byteCount = partition.byteCount
  }

  private init(offset: Int64, of disk: DiskReader, path: String) throws(StartupFailure) {
    guard offset < disk.byteCount else {
      throw .mount(
        "offset \(offset) is not within '\(path)', which has \(disk.byteCount) bytes")
    }
    guard disk.hasExtSuperblock(at: offset) else {
      throw .mount("'\(path)' \(Self.noFileSystem) at offset \(offset)")
    }
    byteOffset = offset
    byteCount = disk.byteCount - offset
  }

  private init(wholeOf disk: DiskReader, path: String) throws(StartupFailure) {
    if !disk.hasExtSuperblock(at: 0) {
      guard let table = PartitionTable(of: disk) else {
        throw .mount("'\(path)' \(Self.noFileSystem): there is no superblock")
      }
      if table.isDamaged { throw Self.damagedTable(path) }
      let suggestion = Self.suggestion(table, of: disk)
      throw .mount(
        "'\(path)' has a partition table instead of a file system"
          + (suggestion.isEmpty
            ? ", and no partition that holds ext2, ext3 or ext4" : suggestion))
    }
    byteOffset = 0
    byteCount = disk.byteCount
  }

  private static func damagedTable(_ path: String) -> StartupFailure {
    .mount(
      "the partition table (GPT) of '\(path)' and its backup are damaged; if you know where the "
        + "file system begins, use -o offset=BYTES")
  }

  private static let noFileSystem = "holds no ext2, ext3 or ext4 file system"

  /// What to choose instead; empty if there is nothing.
  private static func suggestion(_ table: PartitionTable, of disk: DiskReader) -> String {
    let candidates = table.partitions.filter { disk.hasExtSuperblock(at: $0.byteOffset) }
    switch candidates.count {
    case 0: return ""
    case 1: return "; use -o partition=\(candidates[0].number)"
    default:
      let list = candidates.map(\.description).joined(separator: ", ")
      return "; use -o partition=N, where N is one of \(list)"
    }
  }
}

extension Partition {
  /// `2 (Linux filesystem, 64 MiB)`
  fileprivate var description: String {
    let facts = [typeName, ByteCount.describe(byteCount)].compactMap(\.self)
    return "\(number) (\(facts.joined(separator: ", ")))"
  }
}
