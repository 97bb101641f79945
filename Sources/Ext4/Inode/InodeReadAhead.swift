import Journal

/// Inodes are wanted together with those beside them: before one is read, the blocks of the inode table around it are asked for
/// (`__ext4_get_inode_loc` in the kernel's fs/ext4/inode.c). Belongs to the metadata lock.
struct InodeReadAhead {
  /// A power of two, in blocks; 0 or 1 for none.
  let blockCount: UInt32
  /// Where the last one began: the blocks that it has brought are not asked for again one by one.
  private var lastStart: UInt64?

  init(blockCount: UInt32) { self.blockCount = blockCount }

  /// The aligned blocks around `block`, as far as they are within `table` and not asked for before.
  mutating func range(around block: UInt64, in table: Range<UInt64>) -> Range<UInt64>? {
    guard blockCount > 1, table.contains(block) else { return nil }
    let aligned = block & ~UInt64(blockCount - 1)
    let range = (aligned..<aligned + UInt64(blockCount)).clamped(to: table)
    guard range.lowerBound != lastStart else { return nil }
    lastStart = range.lowerBound
    return range
  }
}

extension Volume {
  /// The inode is about to be read. Metadata lock held.
  func readAhead(of number: InodeNumber) {
    let block = tableBlock(of: number)
    guard !cache.contains(block) else { return }
    let group = group(of: number)
    let table = descriptors.inodeTable(of: group).rawValue
    let used = geometry.inodesPerGroup - descriptors.unusedInodes(of: group)
    let perBlock = geometry.inodesPerBlock
    let end = table + UInt64((used + perBlock - 1) / perBlock)
    if let range = inodeReadAhead.range(around: block.rawValue, in: table..<end) {
      device.willRead(
        Int(range.upperBound - range.lowerBound) * blockSize,
        at: range.lowerBound * UInt64(blockSize))
    }
  }
}
