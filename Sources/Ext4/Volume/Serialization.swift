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
    var descriptorBlocks: Set<UInt32> = []
    for group in changedGroups.all {
      descriptors.setChecksum(of: group)
      descriptorBlocks.insert(group / geometry.descriptors.perBlock)
    }
    for index in descriptorBlocks { try writeDescriptors(index: index) }
    if superblock.isDirty || !changedGroups.isEmpty { try superblock.write() }
    changedGroups.removeAll()
    superblock.clearDirty()
    freed.begin(number)
    return number
  }

  /// Bits behind the end of the file system and behind the group's share are set, as e2fsck wants them. `freedRuns`, in order,
  /// are free whatever the bitmap in memory says.
  private func writeBlockBitmap(
    of group: UInt32, without freedRuns: [BlockRun]
  ) throws(Ext4Error) {
    guard !descriptors.hasNoBlockBitmap(group) else { return }
    let buffer = try bitmapBuffer(descriptors.blockBitmap(of: group))
    let shift = geometry.clusterShift
    let blocks = geometry.blocks(of: group)
    let count = geometry.clusterCount(of: group)
    memset(buffer.data, 0xFF, blockSize)
    try bitmaps.copyClusters(
      from: blocks.lowerBound >> shift, count: count, to: buffer.data)
    for run in freedRuns
    where run.first.rawValue < blocks.upperBound && run.end.rawValue > blocks.lowerBound {
      let part = (run.first.rawValue..<run.end.rawValue).clamped(to: blocks)
      clearBits(
        from: Int((part.lowerBound - blocks.lowerBound) >> shift),
        to: Int((part.upperBound - blocks.lowerBound) >> shift), in: buffer.data)
    }
    setBits(from: Int(count), to: Int(geometry.clustersPerGroup), in: buffer.data)
    try descriptors.setBlockBitmapChecksum(of: group, buffer.data)
    cache.markDirty(buffer)
  }

  private func writeInodeBitmap(of group: UInt32) throws(Ext4Error) {
    guard !descriptors.hasNoInodeBitmap(group) else { return }
    let buffer = try bitmapBuffer(descriptors.inodeBitmap(of: group))
    memset(buffer.data, 0xFF, blockSize)
    try bitmaps.copyInodes(geometry.inodes(of: group), to: buffer.data)
    try descriptors.setInodeBitmapChecksum(of: group, buffer.data)
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
  private func writeDescriptors(index: UInt32) throws(Ext4Error) {
    let buffer = try bitmapBuffer(descriptors.block(index))
    descriptors.copyBlock(index, to: buffer.data)
    cache.markDirty(buffer)
  }
}
