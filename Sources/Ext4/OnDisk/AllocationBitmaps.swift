import CExt2FS
import Glibc
import Journal

/// Libext2fs's bitmaps, and one of the blocks that were freed and may not be taken yet. What is asked of them lies within the file system.
/// Metadata lock held, for all of this.
final class AllocationBitmaps {
  private let fs: ext2_filsys
  private var held: ext2fs_block_bitmap?

  init(of fs: ext2_filsys) { self.fs = fs }

  /// Makes them, with nothing taken. Before that all seems taken.
  func allocate() throws(MountRefusal) {
    // Stretches in a tree: what is not loaded takes no memory, and free ones are found without reading bits.
    fs.pointee.default_bitmap_type = UInt16(EXT2FS_BMAP64_RBTREE)
    guard ext2fs_allocate_block_bitmap(fs, "blocks", &fs.pointee.block_map) == 0,
      ext2fs_allocate_inode_bitmap(fs, "inodes", &fs.pointee.inode_map) == 0,
      ext2fs_allocate_block_bitmap(fs, "freed blocks", &held) == 0
    else { throw MountRefusal("there is not enough memory for its allocation bitmaps") }
  }

  /// To be called before libext2fs frees the others.
  func discard() {
    ext2fs_free_block_bitmap(held)
    held = nil
  }

  // MARK: Blocks

  @inline(__always)
  func markTaken(_ run: BlockRun) {
    ext2fs_mark_block_bitmap_range2(fs.pointee.block_map, run.first.rawValue, UInt32(run.count))
  }

  @inline(__always)
  func markFree(_ run: BlockRun) {
    ext2fs_unmark_block_bitmap_range2(fs.pointee.block_map, run.first.rawValue, UInt32(run.count))
  }

  /// The first free block of a range that is not empty.
  @inline(__always)
  func firstFree(in range: Range<UInt64>) -> UInt64? {
    var found: blk64_t = 0
    if ext2fs_find_first_zero_block_bitmap2(
      fs.pointee.block_map, range.lowerBound, range.upperBound - 1, &found) == 0
    {
      return found
    }
    // In a bitmap without a single one libext2fs 1.47.0 finds no zero.
    return fs.pointee.block_map != nil && firstTaken(in: range) == nil ? range.lowerBound : nil
  }

  @inline(__always)
  func firstTaken(in range: Range<UInt64>) -> UInt64? {
    var found: blk64_t = 0
    return ext2fs_find_first_set_block_bitmap2(
      fs.pointee.block_map, range.lowerBound, range.upperBound - 1, &found) == 0 ? found : nil
  }

  /// Takes over the bits of `clusters` from `first` on.
  func setClusters(
    from first: UInt64, count: UInt64, to bits: UnsafeMutableRawPointer
  ) throws(Ext4Error) {
    try check(
      ext2fs_set_block_bitmap_range2(fs.pointee.block_map, first, Int(count), bits),
      "reading a block bitmap")
  }

  func copyClusters(
    from first: UInt64, count: UInt64, to bits: UnsafeMutableRawPointer
  ) throws(Ext4Error) {
    // Of a bitmap without a single one libext2fs 1.47.0 copies nothing.
    memset(bits, 0, Int(count + 7) / 8)
    try check(
      ext2fs_get_block_bitmap_range2(fs.pointee.block_map, first, Int(count), bits),
      "reading the block bitmap")
  }

  // MARK: Blocks that were freed and are held

  @inline(__always)
  func hold(_ run: BlockRun) {
    ext2fs_mark_block_bitmap_range2(held, run.first.rawValue, UInt32(run.count))
  }

  @inline(__always)
  func release(_ run: BlockRun) {
    ext2fs_unmark_block_bitmap_range2(held, run.first.rawValue, UInt32(run.count))
  }

  @inline(__always)
  func holdsSome(of run: BlockRun) -> Bool {
    ext2fs_test_block_bitmap_range2(held, run.first.rawValue, UInt32(run.count)) == 0
  }

  // MARK: Inodes

  func isTaken(_ inode: InodeNumber) -> Bool {
    ext2fs_test_inode_bitmap2(fs.pointee.inode_map, inode.rawValue) != 0
  }

  func markTaken(_ inode: InodeNumber) {
    ext2fs_mark_inode_bitmap2(fs.pointee.inode_map, inode.rawValue)
  }

  func markFree(_ inode: InodeNumber) {
    ext2fs_unmark_inode_bitmap2(fs.pointee.inode_map, inode.rawValue)
  }

  func firstFreeInode(in range: ClosedRange<UInt32>) -> InodeNumber? {
    var found: ext2_ino_t = 0
    if ext2fs_find_first_zero_inode_bitmap2(
      fs.pointee.inode_map, range.lowerBound, range.upperBound, &found) == 0
    {
      return InodeNumber(found)
    }
    // As with blocks: in a bitmap without a single one there is no zero.
    let first = InodeNumber(range.lowerBound)
    return fs.pointee.inode_map != nil && !isTaken(first) ? first : nil
  }

  /// Takes over the bits of a range of inodes.
  func setInodes(
    _ range: ClosedRange<UInt32>, to bits: UnsafeMutableRawPointer
  ) throws(Ext4Error) {
    try check(
      ext2fs_set_inode_bitmap_range2(
        fs.pointee.inode_map, UInt64(range.lowerBound), range.count, bits),
      "reading an inode bitmap")
  }

  func copyInodes(
    _ range: ClosedRange<UInt32>, to bits: UnsafeMutableRawPointer
  ) throws(Ext4Error) {
    // As with blocks: of a bitmap without a single one nothing is copied.
    memset(bits, 0, (range.count + 7) / 8)
    try check(
      ext2fs_get_inode_bitmap_range2(
        fs.pointee.inode_map, UInt64(range.lowerBound), range.count, bits),
      "reading the inode bitmap")
  }
}
