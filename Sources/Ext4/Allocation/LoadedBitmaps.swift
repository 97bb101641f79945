import Journal
import SystemPackage

/// The block groups whose bitmaps are in libext2fs's memory. The bitmaps of another group are read when blocks or inodes are taken
/// or freed there: all bitmaps of 16 TiB are 640 MiB.
///
/// In a group that is not loaded nothing is known, and most seems free: no code may look at a group before it loads it. Belongs to the
/// metadata lock.
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

  /// Loads the bitmaps of blocks that are about to be freed. A damaged one remains as it is, and so do its blocks: taken. What frees them goes
  /// on without them (`freeBlocks`), as with the kernel, since a file that is deleted halfway would be left on the list of orphans, and e2fsck
  /// does not believe that list once there is damage.
  func loadBlockBitmaps(toFree run: BlockRun) throws(Ext4Error) {
    for group in geometry.groups(of: run) {
      try passingOverDamage { () throws(Ext4Error) in try loadBlockBitmap(of: group) }
    }
  }

  /// The same for an inode that is about to be freed. False where the bitmap is damaged.
  func loadInodeBitmap(toFree inode: InodeNumber) throws(Ext4Error) -> Bool {
    let group = group(of: inode)
    try passingOverDamage { () throws(Ext4Error) in try loadInodeBitmap(of: group) }
    return loadedBitmaps.hasInodes(of: group)
  }

  private func passingOverDamage(_ body: () throws(Ext4Error) -> Void) throws(Ext4Error) {
    do throws(Ext4Error) {
      try body()
    } catch {
      guard case .corrupted = error else { throw error }
    }
  }

  private func bitmap(at block: BlockNumber) throws(Ext4Error) -> BlockCache.Buffer {
    do throws(Errno) {
      return try cache.read(block)
    } catch {
      throw .library(code: Int(error.rawValue), doing: "reading a bitmap", InodeNumber(0))
    }
  }
}
