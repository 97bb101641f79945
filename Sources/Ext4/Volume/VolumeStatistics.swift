import CExt2FS

/// What statfs(2) tells about a file system.
public struct VolumeStatistics: Sendable {
  /// Bytes a block; the other sizes count these.
  public var blockSize: UInt32
  /// Without the file system's own structures, unless asked for (minixdf).
  public var blocks: UInt64
  public var freeBlocks: UInt64
  /// Free for ordinary users.
  public var availableBlocks: UInt64
  public var inodes: UInt64
  public var freeInodes: UInt64
}

extension Volume {
  public func statistics() -> VolumeStatistics {
    metadata.withLock {
      let free = superblock.freeBlocks
      let reserved = superblock.reservedBlocks + metadataReserve
      return VolumeStatistics(
        blockSize: UInt32(blockSize),
        blocks: blockCount - min(options.minixDF ? 0 : overhead, blockCount),
        freeBlocks: free,
        availableBlocks: free > reserved ? free - reserved : 0,
        inodes: UInt64(geometry.inodeCount),
        freeInodes: UInt64(superblock.freeInodes))
    }
  }

  /// Blocks that hold no files: superblocks, descriptors, bitmaps, inode tables and the journal
  /// (ext4_calculate_overhead). Metadata lock held.
  private var overhead: UInt64 {
    if let known = knownOverhead { return known }
    var count =
      geometry.firstDataBlock + UInt64(geometry.groupCount) * (2 + geometry.inodeTableBlocks)
    for group in 0..<geometry.groupCount { count += descriptors.leadingBlocks(of: group) }
    count += journalBlocks
    knownOverhead = count
    return count
  }

  private var journalBlocks: UInt64 {
    guard features.compatible.contains(.hasJournal), let number = geometry.journalInode else {
      return 0
    }
    do throws(Ext4Error) {
      return min(try inode(number).size >> blockShift, blockCount)
    } catch {
      return 0
    }
  }
}
