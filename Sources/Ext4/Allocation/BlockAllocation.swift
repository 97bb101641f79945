import CExt2FS
import Journal
import SystemPackage

/// Consecutive blocks that were taken together.
struct BlockRun {
  var first: BlockNumber
  var count: UInt64

  var end: BlockNumber { first + count }
  var range: Range<UInt64> { first.rawValue..<first.rawValue + count }
}

extension BlockRun {
  init(_ range: Range<UInt64>) {
    self.init(first: BlockNumber(range.lowerBound), count: UInt64(range.count))
  }
}

// Taking and giving back blocks. Metadata lock held, for all of this.
extension Volume {
  /// For what kind of owner a block is taken. It decides how much of the reserves the allocation may use.
  enum Purpose {
    /// An unprivileged owner's file.
    case ordinary
    /// A file of root, or of the user or group that may use the reserved blocks.
    case privileged
  }

  /// Libext2fs has taken or freed a block that lies within the file system, in its bitmap and its counts as well.
  func blockChanged(_ block: BlockNumber, inUse: Bool) {
    let run = BlockRun(first: block, count: 1)
    let group = group(of: block)
    do throws(Ext4Error) {
      try loadBlockBitmap(of: group)
    } catch {
      // Only a freed block can be in a group whose bitmap is not loaded. It stays taken on disk until e2fsck finds it.
      return error.isOfDevice ? stopWriting(after: error) : noteLocked(error)
    }
    guard inUse || !systemZone.overlaps(run.range) && !bitmaps.holdsSome(of: run) else {
      // The block must not be freed: mark it taken again.
      bitmaps.markTaken(run)
      _ = descriptors.changeFreeClusters(of: group, by: -1)
      superblock.freeBlocks -= min(superblock.freeBlocks, 1)
      return noteDamage(.corrupted(InodeNumber(0), what: Self.freedTwice))
    }
    // If the bitmap was loaded only now, it shows the state before this change.
    if inUse { bitmaps.markTaken(run) } else { bitmaps.markFree(run) }
    blocksChanged(run, inUse: inUse)
  }

  private static let freedTwice: StaticString =
    "blocks were to be freed that are free already, or not a file's"

  /// `run`, not empty, was taken or freed: its groups must be written, and what is cached of it is void.
  func blocksChanged(_ run: BlockRun, inUse: Bool) {
    cache.noteChange()
    for group in geometry.groups(of: run) { changedGroups.blocksChanged(in: group) }
    // What was metadata may become data, which is written behind the cache's back.
    if !inUse {
      cache.forget(run.first, count: run.count)
      hold(run)
    }
  }

  @inline(__always)
  func group(of block: BlockNumber) -> UInt32 { geometry.group(of: block) }

  /// Free blocks that only the nodes of extent trees may take (libext2fs takes those by itself): the kernel keeps 2 % or 4,096 of them, whichever is less, so
  /// that operations under way find room for them (ext4_calculate_resv_clusters).
  var metadataReserve: UInt64 {
    guard features.incompatible.contains(.extents) else { return 0 }
    return min(blockCount / 50, 4096)
  }

  private func floor(for purpose: Purpose) -> UInt64 {
    switch purpose {
    case .privileged: metadataReserve
    case .ordinary: metadataReserve + superblock.reservedBlocks
    }
  }

  /// Whether there is at least one block for this purpose.
  func hasRoom(for purpose: Purpose) -> Bool {
    superblock.freeBlocks > floor(for: purpose)
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
    bitmaps.markTaken(run)
    count(run, inUse: true)
    blocksChanged(run, inUse: true)
    return run
  }

  private static let inDamagedBitmap: StaticString =
    "blocks that were to be freed stay taken, as their block bitmap is damaged"

  /// Gives `run`, blocks of `inode`, back. The caller subtracts it from the inode's count. What of it is free already, the file
  /// system's own, or in a group with a damaged bitmap, is left alone, and noted as damage (ext4_free_blocks, mb_free_blocks).
  func freeBlocks(_ run: BlockRun, of inode: InodeNumber = InodeNumber(0)) throws(Ext4Error) {
    guard contains(run.first, count: run.count) else {
      throw .corrupted(inode, what: "a block number lies outside the file system")
    }
    try loadBlockBitmaps(toFree: run)
    for group in geometry.groups(of: run) {
      let part = BlockRun(run.range.clamped(to: geometry.blocks(of: group)))
      if !loadedBitmaps.hasBlocks(of: group) {
        noteDamage(.corrupted(inode, what: Self.inDamagedBitmap))
      } else if isWhollyTaken(part) {
        freeLoadedBlocks(part)
      } else {
        for block in part.range {
          let part = BlockRun(block..<block + 1)
          if isWhollyTaken(part) { freeLoadedBlocks(part) }
        }
        noteDamage(.corrupted(inode, what: Self.freedTwice))
      }
    }
  }

  /// Whether all of `run`, whose group is loaded, was taken by files.
  private func isWhollyTaken(_ run: BlockRun) -> Bool {
    bitmaps.firstFree(in: run.range) == nil && !bitmaps.holdsSome(of: run)
      && !systemZone.overlaps(run.range)
  }

  /// The same where the blocks' groups are known to be loaded, and the blocks to be taken: they were just taken.
  func freeLoadedBlocks(_ run: BlockRun) {
    bitmaps.markFree(run)
    count(run, inUse: false)
    blocksChanged(run, inUse: false)
  }

  /// Counts blocks that were taken or freed.
  private func count(_ run: BlockRun, inUse: Bool) {
    var isRight = true
    for group in geometry.groups(of: run) {
      let part = run.range.clamped(to: geometry.blocks(of: group))
      let change = Int64(part.count) >> Int64(geometry.clusterShift)
      if !descriptors.changeFreeClusters(of: group, by: inUse ? -change : change) {
        isRight = false
      }
    }
    let free = superblock.freeBlocks
    superblock.freeBlocks = inUse ? free - min(free, run.count) : free + run.count
    superblock.markDirty()
    guard isRight else {
      return noteDamage(
        .corrupted(InodeNumber(0), what: "a group's descriptor and its block bitmap disagree"))
    }
  }

  /// The first stretch behind `goal` that is long enough, or else the longest of the stretches looked at.
  func findFreeBlocks(
    near goal: BlockNumber, upTo wanted: UInt64
  ) throws(Ext4Error) -> BlockRun? {
    let first = geometry.firstDataBlock
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
    where descriptors.freeClusters(of: group) > 0 {
      try loadBlockBitmap(of: group)
      let range = geometry.blocks(of: group).clamped(to: low..<high)
      guard let found = bitmaps.firstFree(in: range) else { continue }
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
      let stop = min(geometry.blocks(of: group).upperBound, limit)
      if let end = bitmaps.firstTaken(in: position..<stop) { return end }
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
    try freeBlocks(BlockRun(first: block, count: 1), of: inode.number)
    inode.removeBlocks(1)
  }

  /// Where the first block of a file is best put: in its inode's group, spread by the inode's number, so that
  /// files written side by side do not interleave.
  func goal(for inode: Inode) -> BlockNumber {
    let start = geometry.firstBlock(of: geometry.group(of: inode.number))
    let colour = (UInt64(inode.number.rawValue) % 16) * (geometry.blocksPerGroup / 16)
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
