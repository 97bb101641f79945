/// Where blocks may go home: within the file system, and not into its journal.
///
/// The log of a file system that was growing has blocks behind the end that the superblock on disk knows, and the superblock that
/// knows them.
struct ReplayLimits {
  private let firstBlock: UInt64
  private let blockSize: Int
  /// Blocks that the device has room for.
  private let deviceBlocks: UInt64
  private var blockCount: UInt64
  /// The journal's own, in order; none of an external one.
  private let journal: [JournalArea.Run]

  init(
    _ journal: OpenJournal, fileSystem device: BlockDevice, firstBlock: UInt64, blockCount: UInt64
  ) {
    self.firstBlock = firstBlock
    blockSize = journal.area.blockSize
    deviceBlocks = UInt64(device.byteCount) / UInt64(blockSize)
    self.blockCount = min(blockCount, deviceBlocks)
    self.journal = journal.isExternal ? [] : journal.area.runs.sorted { $0.first < $1.first }
  }

  /// A block that goes home may be the superblock, at byte 1024 (fs/ext4/ext4.h, `struct ext4_super_block`).
  mutating func note(_ content: UnsafeRawBufferPointer, for block: BlockNumber) {
    let offset = blockSize == 1024 ? 0 : 1024
    guard block.rawValue == (blockSize == 1024 ? 1 : 0) else { return }
    func field(_ at: Int) -> UInt64 {
      UInt64(
        UInt32(littleEndian: content.loadUnaligned(fromByteOffset: offset + at, as: UInt32.self)))
    }
    guard field(0x38) & 0xFFFF == 0xEF53 else { return }
    let isWide = field(0x60) & 0x80 != 0
    let count = field(0x04) | (isWide ? field(0x150) << 32 : 0)
    blockCount = max(blockCount, min(count, deviceBlocks))
  }

  func check(_ copy: ReplayPlan.Copy) throws(JournalError) {
    let number = copy.home.rawValue
    guard number >= firstBlock, number < blockCount else {
      throw .outside(copy.home, transaction: copy.sequence)
    }
    var low = 0
    var high = journal.count
    while low < high {
      let middle = (low + high) / 2
      if journal[middle].first <= copy.home { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return }
    let run = journal[low - 1]
    guard number - run.first.rawValue >= UInt64(run.count) else { throw .insideJournal(copy.home) }
  }
}
