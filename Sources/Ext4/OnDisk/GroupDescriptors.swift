import CExt2FS
import Glibc
import Journal
import SystemPackage

/// The group descriptors in libext2fs's memory. Where they say that a group's bitmaps and inode table are was judged when they were read,
/// and does not change; what they count is never more than a group has. Metadata lock held, for all of this.
struct GroupDescriptors {
  private let fs: ext2_filsys
  private let geometry: Geometry
  private let hasChecksums: Bool

  init(_ fs: ext2_filsys, _ geometry: Geometry) {
    self.fs = fs
    self.geometry = geometry
    hasChecksums = !geometry.features.readOnlyCompatible
      .isDisjoint(with: [.groupChecksums, .metadataChecksums])
  }

  // MARK: Places

  @inline(__always)
  func blockBitmap(of group: UInt32) -> BlockNumber {
    BlockNumber(ext2fs_block_bitmap_loc(fs, group))
  }

  @inline(__always)
  func inodeBitmap(of group: UInt32) -> BlockNumber {
    BlockNumber(ext2fs_inode_bitmap_loc(fs, group))
  }

  @inline(__always)
  func inodeTable(of group: UInt32) -> BlockNumber {
    BlockNumber(ext2fs_inode_table_loc(fs, group))
  }

  /// Block `index` of the primary descriptors.
  func block(_ index: UInt32) -> BlockNumber {
    let layout = geometry.descriptors
    guard index >= layout.contiguousBlocks else {
      return BlockNumber(geometry.superblockBlock + 1 + UInt64(index))
    }
    let group = index * layout.perBlock
    let first = group == 0 ? geometry.superblockBlock : geometry.firstBlock(of: group)
    return BlockNumber(first + (hasSuperblock(group) ? 1 : 0))
  }

  /// What block `index` of the primary descriptors holds.
  func copyBlock(_ index: UInt32, to buffer: UnsafeMutableRawPointer) {
    memcpy(
      buffer, UnsafeRawPointer(fs.pointee.group_desc!) + Int(index) * geometry.blockSize,
      geometry.blockSize)
  }

  func hasSuperblock(_ group: UInt32) -> Bool { ext2fs_bg_has_super(fs, group) != 0 }

  /// Blocks at the beginning of a group that hold copies of superblock and descriptors, or are kept for them
  /// (ext4_num_base_meta_blocks).
  func leadingBlocks(of group: UInt32) -> UInt64 {
    let layout = geometry.descriptors
    let hasCopy = hasSuperblock(group)
    // Where a boot block shares the first group with the superblock.
    let before = group == 0 ? geometry.superblockBlock - geometry.firstDataBlock : 0
    let index = group / layout.perBlock
    guard index >= layout.contiguousBlocks else {
      return hasCopy ? before + 1 + UInt64(layout.contiguousBlocks) + layout.reservedBlocks : 0
    }
    let place = group % layout.perBlock
    let hasDescriptors = place == 0 || place == 1 || place == layout.perBlock - 1
    return (hasCopy ? before + 1 : 0) + (hasDescriptors ? 1 : 0)
  }

  // MARK: Counts

  @inline(__always)
  func freeClusters(of group: UInt32) -> UInt64 {
    min(UInt64(ext2fs_bg_free_blocks_count(fs, group)), geometry.clusterCount(of: group))
  }

  @inline(__always)
  func freeInodes(of group: UInt32) -> UInt32 {
    min(ext2fs_bg_free_inodes_count(fs, group), geometry.inodesPerGroup)
  }

  /// Inodes at the end of the table that were never used.
  @inline(__always)
  func unusedInodes(of group: UInt32) -> UInt32 {
    min(ext2fs_bg_itable_unused(fs, group), geometry.inodesPerGroup)
  }

  /// `clusters` of the group were taken or given back. False where there cannot have been so many: the count was wrong before.
  func changeFreeClusters(of group: UInt32, by clusters: Int64) -> Bool {
    let old = Int64(ext2fs_bg_free_blocks_count(fs, group))
    let limit = Int64(geometry.clusterCount(of: group))
    let new = old + clusters
    ext2fs_bg_free_blocks_count_set(fs, group, UInt32(min(max(new, 0), limit)))
    ext2fs_bg_flags_clear(fs, group, UInt16(EXT2_BG_BLOCK_UNINIT))
    return 0...limit ~= new
  }

  /// The same for one inode: `change` is -1 when it was taken, and 1 when it was given back.
  func changeFreeInodes(of inode: InodeNumber, by change: Int64, isDirectory: Bool) -> Bool {
    let group = geometry.group(of: inode)
    let limit = Int64(geometry.inodesPerGroup)
    let free = Int64(ext2fs_bg_free_inodes_count(fs, group)) + change
    ext2fs_bg_free_inodes_count_set(fs, group, UInt32(min(max(free, 0), limit)))
    var isRight = 0...limit ~= free
    if isDirectory {
      let used = Int64(ext2fs_bg_used_dirs_count(fs, group)) - change
      ext2fs_bg_used_dirs_count_set(fs, group, UInt32(min(max(used, 0), limit)))
      isRight = isRight && 0...limit ~= used
    }
    ext2fs_bg_flags_clear(fs, group, UInt16(EXT2_BG_INODE_UNINIT))
    if hasChecksums {
      let unused = geometry.inodes(of: group).upperBound - inode.rawValue
      if unused < unusedInodes(of: group) {
        ext2fs_bg_itable_unused_set(fs, group, unused)
      }
    }
    return isRight
  }

  /// Sums up what the groups have free.
  func sums() -> (freeBlocks: UInt64, freeInodes: UInt32) {
    var clusters: UInt64 = 0
    var inodes: UInt32 = 0
    for group in 0..<geometry.groupCount {
      clusters += freeClusters(of: group)
      inodes += freeInodes(of: group)
    }
    return (clusters << geometry.clusterShift, inodes)
  }

  // MARK: Flags and checksums

  /// The bitmap was never written. The flag counts with checksums of descriptors only (ext4_has_group_desc_csum).
  func hasNoBlockBitmap(_ group: UInt32) -> Bool { isSet(EXT2_BG_BLOCK_UNINIT, group) }
  func hasNoInodeBitmap(_ group: UInt32) -> Bool { isSet(EXT2_BG_INODE_UNINIT, group) }

  private func isSet(_ flag: CInt, _ group: UInt32) -> Bool {
    hasChecksums && ext2fs_bg_flags_test(fs, group, UInt16(flag)) != 0
  }

  func setChecksum(of group: UInt32) { ext2fs_group_desc_csum_set(fs, group) }

  func isChecksumValid(of group: UInt32) -> Bool { ext2fs_group_desc_csum_verify(fs, group) != 0 }

  func isBlockBitmapChecksumValid(of group: UInt32, _ bitmap: UnsafeMutableRawPointer) -> Bool {
    ext2fs_block_bitmap_csum_verify(
      fs, group, bitmap.assumingMemoryBound(to: CChar.self), CInt(geometry.clustersPerGroup / 8))
      != 0
  }

  func isInodeBitmapChecksumValid(of group: UInt32, _ bitmap: UnsafeMutableRawPointer) -> Bool {
    ext2fs_inode_bitmap_csum_verify(
      fs, group, bitmap.assumingMemoryBound(to: CChar.self), CInt(geometry.inodesPerGroup / 8)) != 0
  }

  func setBlockBitmapChecksum(
    of group: UInt32, _ bitmap: UnsafeMutableRawPointer
  ) throws(Ext4Error) {
    try check(
      ext2fs_block_bitmap_csum_set(
        fs, group, bitmap.assumingMemoryBound(to: CChar.self), CInt(geometry.clustersPerGroup / 8)),
      "the checksum of a block bitmap")
  }

  func setInodeBitmapChecksum(
    of group: UInt32, _ bitmap: UnsafeMutableRawPointer
  ) throws(Ext4Error) {
    try check(
      ext2fs_inode_bitmap_csum_set(
        fs, group, bitmap.assumingMemoryBound(to: CChar.self), CInt(geometry.inodesPerGroup / 8)),
      "the checksum of an inode bitmap")
  }
}
