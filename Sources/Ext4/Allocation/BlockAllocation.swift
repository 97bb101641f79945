import CExt2FS
import Journal
import SystemPackage

/// Consecutive blocks that were taken together.
struct BlockRun {
  var first: BlockNumber
  var count: UInt64

  var end: BlockNumber { first + count }
}

// Taking and giving back blocks. Metadata lock held, for all of this.
extension Volume {
  /// Who a block is taken for, which decides how deep into the reserves it may reach.
  enum Purpose {
    /// An unprivileged owner's file.
    case ordinary
    /// A file of root or of whoever the superblock reserves blocks for.
    case privileged
  }

  /// Learns of the blocks that libext2fs takes and frees on its own account: nodes of extent trees, indirect blocks. Not of
  /// whole ranges: libext2fs 1.47.0 calls back for those with a range that it has counted down to nothing, so whoever has
  /// it change one calls `blocksChanged`.
  ///
  /// And chooses those blocks: libext2fs would take a group whose bitmap is not loaded for an empty one.
  func watchBlockAllocation() {
    fs.pointee.priv_data = Unmanaged.passUnretained(self).toOpaque()
    ext2fs_set_alloc_block_callback(
      fs,
      { fs, goal, block in
        guard let fs, let block else { return errcode_t(EXT2_ET_BLOCK_ALLOC_FAIL) }
        let volume = Volume.of(fs)
        // In the middle of what it does it cannot begin again.
        volume.cache.noteChange()
        do throws(Ext4Error) {
          guard let run = try volume.findFreeBlocks(near: BlockNumber(goal), upTo: 1) else {
            return errcode_t(EXT2_ET_BLOCK_ALLOC_FAIL)
          }
          block.pointee = run.first.rawValue
          return 0
        } catch {
          return errcode_t(error.errno.rawValue)
        }
      }, nil)
    ext2fs_set_block_alloc_stats_callback(
      fs,
      { fs, block, inUse in
        guard let fs else { return }
        Volume.of(fs).blockChanged(BlockNumber(block), inUse: inUse > 0)
      }, nil)
  }

  private static func of(_ fs: ext2_filsys) -> Volume {
    Unmanaged<Volume>.fromOpaque(fs.pointee.priv_data).takeUnretainedValue()
  }

  /// libext2fs has taken or freed a block, in its bitmap as well.
  private func blockChanged(_ block: BlockNumber, inUse: Bool) {
    let group = group(of: block)
    if !loadedBitmaps.hasBlocks(of: group) {
      do throws(Ext4Error) {
        try loadBlockBitmap(of: group)
      } catch {
        // Only what is freed can be in a group that was not looked at. It would stay taken on disk, until e2fsck finds it.
        return error.isOfDevice ? stopWriting(after: error) : noteLocked(error)
      }
      if inUse {
        ext2fs_mark_block_bitmap_range2(fs.pointee.block_map, block.rawValue, 1)
      } else {
        ext2fs_unmark_block_bitmap_range2(fs.pointee.block_map, block.rawValue, 1)
      }
    }
    blocksChanged(BlockRun(first: block, count: 1), inUse: inUse)
  }

  /// `run`, not empty, was taken or freed: its groups must be written, and what is cached of it is void.
  func blocksChanged(_ run: BlockRun, inUse: Bool) {
    cache.noteChange()
    let last = BlockNumber(run.end.rawValue - 1)
    for group in group(of: run.first)...group(of: last) { changedGroups.blocksChanged(in: group) }
    // What was metadata may become data, which is written behind the cache's back.
    if !inUse {
      cache.forget(run.first, count: run.count)
      hold(run)
    }
  }

  func group(of block: BlockNumber) -> UInt32 {
    ext2fs_group_of_blk2(fs, block.rawValue)
  }

  /// Free blocks that only the nodes of extent trees may take (libext2fs takes those by itself): the kernel keeps 2 % or 4,096 of them, whichever is less, so
  /// that operations under way find room for them (ext4_calculate_resv_clusters).
  var metadataReserve: UInt64 {
    guard features.incompatible.contains(.extents) else { return 0 }
    return min(blockCount / 50, 4096)
  }

  private func floor(for purpose: Purpose) -> UInt64 {
    switch purpose {
    case .privileged: metadataReserve
    case .ordinary: metadataReserve + ext2fs_r_blocks_count(superblock)
    }
  }

  /// Whether there is at least one block for this purpose.
  func hasRoom(for purpose: Purpose) -> Bool {
    ext2fs_free_blocks_count(superblock) > floor(for: purpose)
  }

  /// Whether `count` blocks can be taken now for this purpose.
  func hasRoom(for purpose: Purpose, count: UInt64) -> Bool {
    allocatableBlocks >= floor(for: purpose) + count
  }

  /// Takes up to `wanted` consecutive blocks, as near behind `goal` as there are some. ENOSPC when there is
  /// none. The caller adds them to the inode's count.
  func allocateBlocks(
    near goal: BlockNumber, upTo wanted: UInt64, for purpose: Purpose
  ) throws(Ext4Error) -> BlockRun {
    let free = allocatableBlocks
    let floor = floor(for: purpose)
    guard free > floor else { throw .errno(.noSpace) }
    let limit = min(wanted, free - floor)
    guard let run = try findFreeBlocks(near: goal, upTo: limit) else { throw .errno(.noSpace) }
    ext2fs_block_alloc_stats_range(fs, run.first.rawValue, UInt32(run.count), 1)
    blocksChanged(run, inUse: true)
    return run
  }

  /// Gives `run` back. The caller subtracts it from the inode's count.
  func freeBlocks(_ run: BlockRun) throws(Ext4Error) {
    try loadBlockBitmaps(of: run)
    freeLoadedBlocks(run)
  }

  /// The same where the blocks' groups are known to be loaded: they were just taken.
  func freeLoadedBlocks(_ run: BlockRun) {
    ext2fs_block_alloc_stats_range(fs, run.first.rawValue, UInt32(run.count), -1)
    blocksChanged(run, inUse: false)
  }

  /// The first stretch behind `goal` that is long enough, or else the longest of the stretches looked at.
  private func findFreeBlocks(
    near goal: BlockNumber, upTo wanted: UInt64
  ) throws(Ext4Error) -> BlockRun? {
    let first = UInt64(superblock.pointee.s_first_data_block)
    let start = contains(goal) ? goal.rawValue : first
    // The goal itself, when free, continues the file where it ends: nothing is better than that.
    if let run = try freeRun(from: start, to: blockCount, atMost: wanted),
      run.first.rawValue == start || run.count == wanted
    {
      return run
    }
    var best: BlockRun?
    for (low, high) in [(start, blockCount), (first, start)] {
      var position = low
      var looked = 0
      while looked < 64, let run = try freeRun(from: position, to: high, atMost: wanted) {
        if run.count == wanted { return run }
        if run.count > best?.count ?? 0 { best = run }
        position = run.end.rawValue
        looked += 1
      }
      if let best, best.count >= min(wanted, 8) { return best }
    }
    return best
  }

  /// The first free blocks in [`low`, `high`).
  func freeRun(
    from low: UInt64, to high: UInt64, atMost wanted: UInt64
  ) throws(Ext4Error) -> BlockRun? {
    guard low < high else { return nil }
    for group in group(of: BlockNumber(low))...group(of: BlockNumber(high - 1))
    where ext2fs_bg_free_blocks_count(fs, group) > 0 {
      try loadBlockBitmap(of: group)
      let range = blocks(of: group).clamped(to: low..<high)
      var found: blk64_t = 0
      guard
        ext2fs_find_first_zero_block_bitmap2(
          fs.pointee.block_map, range.lowerBound, range.upperBound - 1, &found) == 0
      else { continue }
      let end = try endOfFreeRun(from: found, to: min(found + wanted, high))
      return BlockRun(first: BlockNumber(found), count: end - found)
    }
    return nil
  }

  /// Where the free blocks that begin with `first` end, `limit` at the latest.
  private func endOfFreeRun(from first: UInt64, to limit: UInt64) throws(Ext4Error) -> UInt64 {
    var position = first + 1
    while position < limit {
      let group = group(of: BlockNumber(position))
      try loadBlockBitmap(of: group)
      let stop = min(blocks(of: group).upperBound, limit)
      var end: blk64_t = 0
      if ext2fs_find_first_set_block_bitmap2(fs.pointee.block_map, position, stop - 1, &end) == 0 {
        return end
      }
      position = stop
    }
    return limit
  }

  /// Takes one block for the metadata of `inode` and adds it to the inode's count. Its contents are undefined.
  func allocateMetadataBlock(for inode: Inode) throws(Ext4Error) -> BlockNumber {
    let run = try allocateBlocks(near: goal(for: inode), upTo: 1, for: inode.purpose)
    inode.addBlocks(1)
    return run.first
  }

  func freeMetadataBlock(_ block: BlockNumber, of inode: Inode) throws(Ext4Error) {
    guard contains(block) else {
      throw .corrupted(inode.number, what: "a block number lies outside the file system")
    }
    try freeBlocks(BlockRun(first: block, count: 1))
    inode.removeBlocks(1)
  }

  /// Where the first block of a file is best put: in its inode's group, spread by the inode's number, so that
  /// files written side by side do not interleave.
  func goal(for inode: Inode) -> BlockNumber {
    let perGroup = superblock.pointee.s_inodes_per_group
    let group = (inode.number.rawValue - 1) / max(perGroup, 1)
    let start = ext2fs_group_first_block2(fs, group)
    let span = UInt64(superblock.pointee.s_blocks_per_group)
    let colour = (UInt64(inode.number.rawValue) % 16) * (span / 16)
    return inode.isRegularFile ? BlockNumber(start + colour) : BlockNumber(start)
  }
}

extension Inode {
  /// Blocks that count against the inode, in file system blocks.
  func addBlocks(_ count: UInt64) {
    withRaw { _ = ext2fs_iblk_add_blocks(volume.fs, $0, count) }
  }

  func removeBlocks(_ count: UInt64) {
    withRaw { _ = ext2fs_iblk_sub_blocks(volume.fs, $0, count) }
  }
}
