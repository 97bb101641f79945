import CExt2FS
import Glibc
import Journal
import SystemPackage

/// The block groups whose bitmaps are in libext2fs's memory. The others' are read when somebody wants to take or give back
/// something there: those of 16 TiB are 640 MiB together.
///
/// In a group that is not here all seems free: nobody may look before it is loaded. Belongs to the metadata lock.
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
    // Stretches in a tree: what is not loaded takes no memory, and free ones are found without reading bits.
    fs.pointee.default_bitmap_type = UInt16(EXT2FS_BMAP64_RBTREE)
    guard ext2fs_allocate_block_bitmap(fs, "blocks", &fs.pointee.block_map) == 0,
      ext2fs_allocate_inode_bitmap(fs, "inodes", &fs.pointee.inode_map) == 0
    else { throw MountRefusal("there is not enough memory for its allocation bitmaps") }
    loadedBitmaps = LoadedBitmaps(groups: fs.pointee.group_desc_count)
  }

  /// The blocks of a group: fewer in the last one.
  func blocks(of group: UInt32) -> Range<UInt64> {
    let first = ext2fs_group_first_block2(fs, group)
    return first..<(ext2fs_group_last_block2(fs, group) + 1)
  }

  /// After this libext2fs's bitmap tells the truth about the blocks of `group`. EUCLEAN when what is on disk cannot be trusted.
  func loadBlockBitmap(of group: UInt32) throws(Ext4Error) {
    guard !loadedBitmaps.hasBlocks(of: group) else { return }
    if isUninitialized(group, EXT2_BG_BLOCK_UNINIT) {
      markOwnMetadata(of: group)
    } else {
      let buffer = try bitmap(at: ext2fs_block_bitmap_loc(fs, group))
      let clusters = UInt64(superblock.pointee.s_clusters_per_group)
      guard
        ext2fs_block_bitmap_csum_verify(
          fs, group, buffer.data.assumingMemoryBound(to: CChar.self), CInt(clusters / 8)) != 0
      else { throw .corrupted(InodeNumber(0), what: "a block bitmap has a wrong checksum") }
      let range = blocks(of: group)
      let shift = UInt64(fs.pointee.cluster_ratio_bits)
      try check(
        ext2fs_set_block_bitmap_range2(
          fs.pointee.block_map, range.lowerBound >> shift,
          Int(min(clusters, (UInt64(range.count) + (1 << shift) - 1) >> shift)), buffer.data),
        "reading a block bitmap")
    }
    loadedBitmaps.addBlocks(of: group)
  }

  /// The same for the group's inodes.
  func loadInodeBitmap(of group: UInt32) throws(Ext4Error) {
    guard !loadedBitmaps.hasInodes(of: group) else { return }
    if !isUninitialized(group, EXT2_BG_INODE_UNINIT) {
      let buffer = try bitmap(at: ext2fs_inode_bitmap_loc(fs, group))
      let perGroup = superblock.pointee.s_inodes_per_group
      guard
        ext2fs_inode_bitmap_csum_verify(
          fs, group, buffer.data.assumingMemoryBound(to: CChar.self), CInt(perGroup / 8)) != 0
      else { throw .corrupted(InodeNumber(0), what: "an inode bitmap has a wrong checksum") }
      try check(
        ext2fs_set_inode_bitmap_range2(
          fs.pointee.inode_map, UInt64(group) * UInt64(perGroup) + 1, Int(perGroup), buffer.data),
        "reading an inode bitmap")
    }
    loadedBitmaps.addInodes(of: group)
  }

  func loadBlockBitmaps(of run: BlockRun) throws(Ext4Error) {
    let last = BlockNumber(run.end.rawValue - 1)
    for group in group(of: run.first)...group(of: last) { try loadBlockBitmap(of: group) }
  }

  /// The bitmap was never written: all is free but what the group itself needs (ext4_init_block_bitmap).
  private func markOwnMetadata(of group: UInt32) {
    ext2fs_reserve_super_and_bgd(fs, group, fs.pointee.block_map)
    let own = blocks(of: group)
    let places: [(first: UInt64, count: UInt64)] = [
      (ext2fs_block_bitmap_loc(fs, group), 1),
      (ext2fs_inode_bitmap_loc(fs, group), 1),
      (ext2fs_inode_table_loc(fs, group), UInt64(fs.pointee.inode_blocks_per_group)),
    ]
    for place in places {
      let part = own.clamped(to: place.first..<(place.first + place.count))
      guard !part.isEmpty else { continue }
      ext2fs_mark_block_bitmap_range2(
        fs.pointee.block_map, part.lowerBound, UInt32(part.count))
    }
  }

  /// The flag counts with checksums of descriptors only (ext4_has_group_desc_csum).
  private func isUninitialized(_ group: UInt32, _ flag: CInt) -> Bool {
    ext2fs_has_group_desc_csum(fs) != 0
      && ext2fs_bg_flags_test(fs, group, UInt16(flag)) != 0
  }

  private func bitmap(at block: UInt64) throws(Ext4Error) -> BlockCache.Buffer {
    do throws(Errno) {
      return try cache.read(BlockNumber(block))
    } catch {
      throw .library(code: Int(error.rawValue), doing: "reading a bitmap", InodeNumber(0))
    }
  }
}
