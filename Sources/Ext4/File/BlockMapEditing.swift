import CExt2FS
import IomapCache
import Journal

// Giving blocks to a file and taking them away. Metadata lock held, and `io` exclusively for regular files.
extension Inode {
  /// Takes blocks for the hole [`first`, `end`) without recording them: as few runs as possible, beginning where
  /// the file's blocks before it end. Fewer blocks than asked for when the file system is full, or more than `runs` runs would
  /// be needed; none is ENOSPC.
  func takeBlocks(
    from first: UInt32, to end: UInt64, runs maximum: Int = .max
  ) throws(Ext4Error) -> [Extent] {
    var taken: [Extent] = []
    var position = UInt64(first)
    var goal = try goal(before: first)
    let purpose = self.purpose
    while position < end, taken.count < maximum {
      let limit = UInt64(Extent.maximumCount(isUnwritten: true))
      let run: BlockRun
      do throws(Ext4Error) {
        run = try volume.allocateBlocks(near: goal, upTo: min(end - position, limit), for: purpose)
      } catch {
        if taken.isEmpty { throw error }
        return taken
      }
      taken.append(
        Extent(
          logical: UInt32(position), physical: run.first, count: UInt32(run.count),
          isUnwritten: false))
      position += run.count
      goal = run.end
    }
    return taken
  }

  /// Gives back blocks that `takeBlocks` took and that were not recorded.
  func giveBack(_ extents: [Extent]) {
    for extent in extents {
      volume.freeLoadedBlocks(BlockRun(first: extent.physical, count: UInt64(extent.count)))
    }
  }

  /// Records blocks taken by `takeBlocks` as the file's, where it has a hole.
  func record(_ extent: Extent) throws(Ext4Error) {
    try requireStorable()
    try volume.whole { () throws(Ext4Error) in
      if flags.contains(.extents) {
        defer { noteTreeChange() }
        let tree = try ExtentTree(of: self)
        try tree.insert(extent)
      } else {
        try recordIndirect(extent)
      }
    }
    addBlocks(UInt64(extent.count))
    guard !volume.isBroken(at: .keepsHoleOverNewBlocks) else { return }
    mappings.withReadFork { $0.upsert(extent.mapping(blockShift: volume.blockShift)) }
  }

  /// Marks the blocks of an unwritten mapping, whole blocks all of them, as written.
  func convert(_ mapping: Mapping) throws(Ext4Error) {
    defer { noteTreeChange() }
    try requireStorable()
    let shift = volume.blockShift
    var written = mapping
    written.kind = .mapped
    do throws(Ext4Error) {
      try volume.whole { () throws(Ext4Error) in
        let tree = try ExtentTree(of: self)
        try tree.convert(
          from: UInt32(mapping.offset.rawValue >> shift), to: mapping.end.rawValue >> shift)
      }
    } catch {
      mappings.withReadFork { $0.invalidate(from: mapping.offset, to: mapping.end) }
      throw error
    }
    guard !volume.isBroken(at: .keepsUnwrittenMappings) else { return }
    mappings.withReadFork { $0.upsert(written) }
  }

  /// Frees all blocks in [`first`, `end`), leaving a hole. ENOSPC, with nothing freed, when a hole in the middle of an extent
  /// takes a new node of the tree and there is no room for one.
  ///
  /// Not by ext2fs_punch: that of libext2fs 1.47.0 refuses blocks at the very end of the file system.
  func removeBlocks(from first: UInt32, to end: UInt64) throws(Ext4Error) {
    while try !removeSomeBlocks(from: first, to: end) {}
  }

  /// Frees as many of the blocks in [`first`, `end`) as one step may. Returns whether none is left.
  func removeSomeBlocks(from first: UInt32, to end: UInt64) throws(Ext4Error) -> Bool {
    try requireStorable()
    var budget = RemovalBudget(volume)
    if !volume.isBroken(at: .keepsMappingsOfRemovedBlocks) {
      mappings.withReadFork { cache in
        cache.invalidate(
          from: FileOffset(UInt64(first) << volume.blockShift),
          to: FileOffset(min(end, UInt64(1) << 32) << volume.blockShift))
      }
    }
    if flags.contains(.extents) {
      defer { noteTreeChange() }
      try removeExtents(from: UInt64(first), to: end, &budget)
      if !budget.isSpent { try pullInExtentTree() }
    } else {
      try removeIndirect(from: UInt64(first), to: end, &budget)
      if !budget.isSpent { removedArrays.removeAll() }
    }
    return !budget.isSpent
  }

  private func removeExtents(
    from first: UInt64, to end: UInt64, _ budget: inout RemovalBudget
  ) throws(Ext4Error) {
    let tree = try ExtentTree(of: self)
    var position = first
    while position < end, budget.allowsAnother(),
      let extent = try tree.removeExtent(
        from: position, to: end,
        after: { (run) throws(Ext4Error) in try volume.loadBlockBitmaps(toFree: run) })
    {
      try freeData(BlockRun(first: extent.physical, count: UInt64(extent.count)))
      position = extent.end
    }
  }

  /// Gives back blocks that held the file's data, and counts them no longer.
  func freeData(_ run: BlockRun) throws(Ext4Error) {
    try volume.freeBlocks(run, of: number)
    removeBlocks(run.count)
  }

  /// Adds a block to the end of a directory (or a long symbolic link), and raises the size by it. Its contents
  /// are undefined. The inode is stored.
  func appendBlock() throws(Ext4Error) -> (LogicalBlock, BlockNumber) {
    let logical = size >> volume.blockShift
    guard logical < UInt64(UInt32.max) else { throw .errno(.fileTooLarge) }
    let goal = try goal(before: UInt32(logical))
    try requireStorable()
    let run = try volume.allocateBlocks(near: goal, upTo: 1, for: purpose)
    let extent = Extent(
      logical: UInt32(logical), physical: run.first, count: 1, isUnwritten: false)
    do throws(Ext4Error) {
      try record(extent)
    } catch {
      giveBack([extent])
      volume.noteUndone()
      throw error
    }
    size = (logical + 1) << volume.blockShift
    try store()
    return (LogicalBlock(UInt32(logical)), run.first)
  }

  /// Brings the bitmap into memory in which another block of a directory will be looked for. What is wrong with it matters only when
  /// a block is taken. Metadata lock held.
  func requireGrowable() throws(Ext4Error) {
    guard !flags.contains(.inlineData) else { return }
    let goal = try goal(before: UInt32(clamping: size >> volume.blockShift))
    guard volume.contains(goal) else { return }
    let group = volume.group(of: goal)
    guard volume.descriptors.freeClusters(of: group) > 0 else { return }
    do throws(Ext4Error) {
      try volume.loadBlockBitmap(of: group)
    } catch {
      if error.isNotInMemory { throw error }
    }
  }

  /// Where the blocks from `first` on are best put: behind those before them.
  private func goal(before first: UInt32) throws(Ext4Error) -> BlockNumber {
    guard first > 0 else { return volume.goal(for: self) }
    let before = FileOffset((UInt64(first) - 1) << volume.blockShift)
    let mapping = try mapping(at: before, metadataHeld: true)
    guard mapping.kind != .hole else { return volume.goal(for: self) }
    return BlockNumber(mapping.address(of: before).rawValue >> volume.blockShift) + 1
  }

  /// Whose reserves the file's data may use: root's and those of the user that the superblock names.
  var purpose: Volume.Purpose {
    let user = volume.options.reserveUser ?? volume.superblock.reserveUser
    let group = volume.options.reserveGroup ?? volume.superblock.reserveGroup
    let isPrivileged = userID == 0 || userID == user || (group != 0 && groupID == group)
    return isPrivileged ? .privileged : .ordinary
  }

  /// Sets up an empty map for a new file: an extent header where the file system has extents.
  func initializeBlockMap() {
    guard volume.features.incompatible.contains(.extents) else { return }
    flags.insert(.extents)
    rootNode.fill(with: [], depth: 0)
  }
}
