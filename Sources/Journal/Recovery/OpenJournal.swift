import Glibc
import SystemPackage

/// A journal whose superblock has been read and makes sense: where its blocks are, and what is known of its log.
public struct OpenJournal: Sendable {
  public let area: JournalArea
  /// As it is on the device, after `writeSuperblock`.
  public var superblock: JournalSuperblock
  /// The journal's block with the superblock: 0, but in an external journal behind that one's ext2 superblock.
  public let superblockPlace: UInt32
  /// The journal is on a device of its own.
  public let isExternal: Bool

  public var format: JournalFormat { superblock.format }

  /// Reads and checks the superblock, by the rules of the kernel's `journal_check_superblock` and `journal_reset`.
  public init(
    area: JournalArea, superblockPlace: UInt32 = 0, isExternal: Bool = false
  ) throws(JournalError) {
    self.area = area
    self.superblockPlace = superblockPlace
    self.isExternal = isExternal
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: area.blockSize, alignment: 4096)
    defer { block.deallocate() }
    do throws(Errno) {
      try area.read(superblockPlace, into: block)
    } catch {
      throw .reading(error)
    }
    guard let superblock = JournalSuperblock(UnsafeRawBufferPointer(block)) else {
      throw .noSuperblock
    }
    self.superblock = superblock
    try Self.check(superblock, area, superblockPlace: superblockPlace)
  }

  private static func check(
    _ superblock: JournalSuperblock, _ area: JournalArea, superblockPlace: UInt32
  ) throws(JournalError) {
    guard superblock.blockSize == UInt32(area.blockSize) else {
      throw .blockSize(journal: superblock.blockSize, fileSystem: area.blockSize)
    }
    let features = superblock.features
    guard features.unsupported.isEmpty else { throw .unsupported(features.unsupported) }
    guard !features.hasContradictoryChecksums,
      !features.checksum.coversBlocks
        || superblock.checksumType == JournalSuperblock.crc32cType
    else { throw .checksumFeatures }
    guard superblock.isChecksumValid else { throw .superblockChecksum }
    guard superblock.blockCount <= area.blockCount else {
      throw .tooLong(claimed: superblock.blockCount, present: area.blockCount)
    }
    guard superblock.firstBlock > superblockPlace, superblock.firstBlock < superblock.blockCount
    else { throw .firstBlock(superblock.firstBlock) }
    // What is left of the log when fast commits and what stands before it have got their blocks.
    let minimum = JournalSuperblock.minimumBlockCount
    guard superblock.blockCount >= minimum,
      superblock.blockCount - minimum >= superblock.fastCommitBlockCount,
      superblock.firstBlock - 1 <= superblock.blockCount - minimum,
      !superblock.logBlocks.isEmpty
    else { throw .tooShort(superblock.blockCount) }
    guard !superblock.needsRecovery || superblock.logBlocks.contains(superblock.start) else {
      throw .start(superblock.start)
    }
  }

  /// Writes the superblock, and leaves the rest of its block as it is. It does not flush: a caller that needs that flushes the device.
  public mutating func writeSuperblock() throws(Errno) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: area.blockSize, alignment: 4096)
    defer { block.deallocate() }
    try area.read(superblockPlace, into: block)
    superblock.updateChecksum()
    superblock.encode(into: block)
    try area.write(UnsafeRawBufferPointer(block), at: superblockPlace)
  }
}
