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
      let free = ext2fs_free_blocks_count(superblock)
      let reserved = ext2fs_r_blocks_count(superblock) + metadataReserve
      return VolumeStatistics(
        blockSize: UInt32(blockSize),
        blocks: blockCount - min(options.minixDF ? 0 : overhead, blockCount),
        freeBlocks: free,
        availableBlocks: free > reserved ? free - reserved : 0,
        inodes: UInt64(superblock.pointee.s_inodes_count),
        freeInodes: UInt64(superblock.pointee.s_free_inodes_count))
    }
  }

  /// Blocks that hold no files: superblocks, descriptors, bitmaps, inode tables and the journal
  /// (ext4_calculate_overhead). Metadata lock held.
  private var overhead: UInt64 {
    if let known = knownOverhead { return known }
    var count = UInt64(superblock.pointee.s_first_data_block)
    let tables = UInt64(fs.pointee.inode_blocks_per_group)
    for group in 0..<fs.pointee.group_desc_count {
      var superblockAt: blk64_t = 0
      var oldDescriptors: blk64_t = 0
      var newDescriptors: blk64_t = 0
      var used: blk_t = 0
      ext2fs_super_and_bgd_loc2(
        fs, group, &superblockAt, &oldDescriptors, &newDescriptors, &used)
      // `used` counts the superblock and the descriptors with their reserve.
      count += UInt64(used) + 2 + tables
    }
    count += journalBlocks
    knownOverhead = count
    return count
  }

  private var journalBlocks: UInt64 {
    let number = superblock.pointee.s_journal_inum
    guard features.compatible.contains(.hasJournal), number != 0 else { return 0 }
    do throws(Ext4Error) {
      return try inode(InodeNumber(number)).size >> blockShift
    } catch {
      return 0
    }
  }
}
