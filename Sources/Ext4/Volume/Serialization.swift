import CExt2FS
import Glibc
import Journal
import SystemPackage

// What libext2fs keeps in memory of its own, bitmaps, descriptors and the superblock, goes into the cache at a commit: of those groups
// only that have changed. Metadata lock held, for all of this.
extension Volume {
  /// Brings into the cache what has changed, and returns the number of the commit that this begins.
  func serialize() throws(Ext4Error) -> UInt64 {
    let number = lastCommit.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
    let freedRuns = freed.sorted()
    for group in changedGroups.blockBitmaps { try writeBlockBitmap(of: group, without: freedRuns) }
    for group in changedGroups.inodeBitmaps { try writeInodeBitmap(of: group) }
    var descriptorBlocks: Set<UInt64> = []
    for group in changedGroups.all {
      ext2fs_group_desc_csum_set(fs, group)
      descriptorBlocks.insert(UInt64(group) / descriptorsPerBlock)
    }
    for index in descriptorBlocks { try writeDescriptors(index: index) }
    if fs.pointee.flags & EXT2_FLAG_DIRTY != 0 || !changedGroups.isEmpty {
      try writeSuperblock()
    }
    changedGroups.removeAll()
    fs.pointee.flags &= ~(EXT2_FLAG_DIRTY | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY)
    freed.begin(number)
    return number
  }

  private var descriptorsPerBlock: UInt64 {
    UInt64(blockSize) / UInt64(max(superblock.pointee.s_desc_size, 32))
  }

  /// Bits behind the end of the file system and behind the group's share are set, as e2fsck wants them. `freedRuns`, in order,
  /// are free whatever the bitmap in memory says.
  private func writeBlockBitmap(
    of group: UInt32, without freedRuns: [BlockRun]
  ) throws(Ext4Error) {
    guard ext2fs_bg_flags_test(fs, group, UInt16(EXT2_BG_BLOCK_UNINIT)) == 0 else { return }
    let buffer = try bitmapBuffer(BlockNumber(ext2fs_block_bitmap_loc(fs, group)))
    let perGroup = UInt64(superblock.pointee.s_clusters_per_group)
    let ratio = fs.pointee.cluster_ratio_bits
    let first = ext2fs_group_first_block2(fs, group) >> UInt64(ratio)
    let end = (blockCount + (1 << UInt64(ratio)) - 1) >> UInt64(ratio)
    let count = min(perGroup, end - first)
    memset(buffer.data, 0xFF, blockSize)
    try check(
      ext2fs_get_block_bitmap_range2(fs.pointee.block_map, first, Int(count), buffer.data),
      "reading the block bitmap")
    let firstBlock = first << UInt64(ratio)
    let endBlock = firstBlock + count << UInt64(ratio)
    for run in freedRuns where run.first.rawValue < endBlock && run.end.rawValue > firstBlock {
      clearBits(
        from: Int(max(run.first.rawValue, firstBlock) - firstBlock) >> Int(ratio),
        to: Int(min(run.end.rawValue, endBlock) - firstBlock) >> Int(ratio), in: buffer.data)
    }
    setBits(from: Int(count), to: Int(perGroup), in: buffer.data)
    try check(
      ext2fs_block_bitmap_csum_set(
        fs, group, buffer.data.assumingMemoryBound(to: CChar.self), CInt(perGroup / 8)),
      "the checksum of a block bitmap")
    cache.markDirty(buffer)
  }

  private func writeInodeBitmap(of group: UInt32) throws(Ext4Error) {
    guard ext2fs_bg_flags_test(fs, group, UInt16(EXT2_BG_INODE_UNINIT)) == 0 else { return }
    let buffer = try bitmapBuffer(BlockNumber(ext2fs_inode_bitmap_loc(fs, group)))
    let perGroup = UInt64(superblock.pointee.s_inodes_per_group)
    memset(buffer.data, 0xFF, blockSize)
    try check(
      ext2fs_get_inode_bitmap_range2(
        fs.pointee.inode_map, UInt64(group) * perGroup + 1, Int(perGroup), buffer.data),
      "reading the inode bitmap")
    try check(
      ext2fs_inode_bitmap_csum_set(
        fs, group, buffer.data.assumingMemoryBound(to: CChar.self), CInt(perGroup / 8)),
      "the checksum of an inode bitmap")
    cache.markDirty(buffer)
  }

  private func setBits(from first: Int, to end: Int, in data: UnsafeMutableRawPointer) {
    let bytes = data.assumingMemoryBound(to: UInt8.self)
    for bit in first..<max(first, end) { bytes[bit / 8] |= 1 << UInt8(bit % 8) }
  }

  private func clearBits(from first: Int, to end: Int, in data: UnsafeMutableRawPointer) {
    let bytes = data.assumingMemoryBound(to: UInt8.self)
    for bit in first..<max(first, end) { bytes[bit / 8] &= ~(1 << UInt8(bit % 8)) }
  }

  private func bitmapBuffer(_ block: BlockNumber) throws(Ext4Error) -> BlockCache.Buffer {
    do throws(Errno) {
      return try cache.overwrite(block)
    } catch {
      throw .library(code: Int(error.rawValue), doing: "writing a bitmap", InodeNumber(0))
    }
  }

  /// Only the primary copy: backups change when the file system is resized or checked, as with the kernel.
  private func writeDescriptors(index: UInt64) throws(Ext4Error) {
    // With clusters and 1 KiB blocks the first data block is 0, yet the superblock is in block 1.
    let first = UInt64(superblock.pointee.s_first_data_block)
    let block = ext2fs_descriptor_block_loc2(
      fs, first == 0 && blockSize == 1024 ? 1 : first, UInt32(index))
    let buffer = try bitmapBuffer(BlockNumber(block))
    memcpy(
      buffer.data, UnsafeRawPointer(fs.pointee.group_desc!) + Int(index) * blockSize, blockSize)
    cache.markDirty(buffer)
  }

  private func writeSuperblock() throws(Ext4Error) {
    superblock.pointee.s_wtime = UInt32(truncatingIfNeeded: time(nil))
    try check(ext2fs_superblock_csum_set(fs, superblock), "the superblock's checksum")
    try check(
      fs.pointee.io.pointee.manager.pointee.write_byte(fs.pointee.io, 1024, 1024, superblock),
      "writing the superblock")
  }
}
