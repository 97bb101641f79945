import Journal
import SystemPackage

/// The block groups whose bitmaps are in libext2fs's memory. The bitmaps of another group are read when blocks or inodes are taken
/// or freed there: all bitmaps of 16 TiB are 640 MiB.
///
/// In a group that is not loaded everything seems free: no code may look at a group before it loads it. Belongs to the metadata lock.
struct LoadedBitmaps {
  private var blocks: [Bool]
  private var inodes: [Bool]

  init(groups: UInt32) {
    blocks = Array(repeating: false, count: Int(groups))
    inodes = blocks
  }

  func hasBlocks(of group: UInt32) -> Bool { blocks[Int(group)] }
  func hasInodes(of group: UInt32) -> Bool { inodes[Int(group)] }
  mutating func addBlocks(of group: UInt32) { blocks[Int(group)] = true }
  mutating func addInodes(of group: UInt32) { inodes[Int(group)] = true }
}

// Metadata lock held, for all of this.
extension Volume {
  /// Makes libext2fs's bitmaps, in which no group is loaded.
  func makeBitmaps() throws(MountRefusal) {
    try bitmaps.allocate()
    loadedBitmaps = LoadedBitmaps(groups: geometry.groupCount)
    let ownRuns = journal.flatMap { $0.isExternal ? nil : $0.area.runs } ?? []
    systemZone = SystemZone(geometry, descriptors, journal: ownRuns)
  }

  /// After this libext2fs's bitmap tells the truth about the blocks of `group`. EUCLEAN when what is on disk cannot be trusted.
  func loadBlockBitmap(of group: UInt32) throws(Ext4Error) {
    guard !loadedBitmaps.hasBlocks(of: group) else { return }
    let own = systemZone.parts(in: geometry.blocks(of: group))
    if descriptors.hasNoBlockBitmap(group) {
      // It was never written: all is free but what the group itself needs (ext4_init_block_bitmap).
      for part in own { bitmaps.markTaken(BlockRun(part)) }
    } else {
      let buffer = try bitmap(at: descriptors.blockBitmap(of: group))
      guard descriptors.isBlockBitmapChecksumValid(of: group, buffer.data) else {
        throw .corrupted(InodeNumber(0), what: "a block bitmap has a wrong checksum")
      }
      try bitmaps.setClusters(
        from: geometry.firstBlock(of: group) >> geometry.clusterShift,
        count: geometry.clusterCount(of: group), to: buffer.data)
      // A file that took one of these blocks would overwrite the metadata (ext4_valid_block_bitmap).
      guard own.allSatisfy({ bitmaps.firstFree(in: $0) == nil }) else {
        throw .corrupted(InodeNumber(0), what: "a block bitmap shows metadata as free")
      }
    }
    loadedBitmaps.addBlocks(of: group)
  }

  /// The same for the group's inodes.
  func loadInodeBitmap(of group: UInt32) throws(Ext4Error) {
    guard !loadedBitmaps.hasInodes(of: group) else { return }
    if !descriptors.hasNoInodeBitmap(group) {
      let buffer = try bitmap(at: descriptors.inodeBitmap(of: group))
      guard descriptors.isInodeBitmapChecksumValid(of: group, buffer.data) else {
        throw .corrupted(InodeNumber(0), what: "an inode bitmap has a wrong checksum")
      }
      try bitmaps.setInodes(geometry.inodes(of: group), to: buffer.data)
    }
    loadedBitmaps.addInodes(of: group)
  }

  func loadBlockBitmaps(of run: BlockRun) throws(Ext4Error) {
    for group in geometry.groups(of: run) { try loadBlockBitmap(of: group) }
  }

  private func bitmap(at block: BlockNumber) throws(Ext4Error) -> BlockCache.Buffer {
    do throws(Errno) {
      return try cache.read(block)
    } catch {
      throw .library(code: Int(error.rawValue), doing: "reading a bitmap", InodeNumber(0))
    }
  }
}
