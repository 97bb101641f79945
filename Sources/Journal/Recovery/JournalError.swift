import SystemPackage

/// Why a journal cannot be used, or its log cannot be replayed. Nothing was written.
public enum JournalError: Error, Sendable, Equatable {
  /// There is no superblock where it should be, or one with an unknown type.
  case noSuperblock
  case superblockChecksum
  case blockSize(journal: UInt32, fileSystem: Int)
  /// The superblock says more blocks than there are.
  case tooLong(claimed: UInt32, present: UInt32)
  case tooShort(UInt32)
  case firstBlock(UInt32)
  /// Where the superblock says that the log begins is no block of the log.
  case start(UInt32)
  case unsupported([String])
  case checksumFeatures
  /// The commit record of a transaction, or a block of the log within it, is damaged, although the transaction was completed.
  case damagedTransaction(UInt32)
  /// A block that was to go home is damaged.
  case damagedBlock(BlockNumber, transaction: UInt32)
  /// A block that was to go home has none there.
  case outside(BlockNumber, transaction: UInt32)
  /// A block that was to go home would replace a part of the log.
  case insideJournal(BlockNumber)
  /// Fast commits, which are not replayed here.
  case fastCommits
  case reading(Errno)
  case writing(Errno)
}

extension JournalError: CustomStringConvertible {
  /// A sentence without its beginning and end: what is wrong, and what can be done.
  public var description: String {
    switch self {
    case .fastCommits:
      "its journal holds fast commits, which fuse4fs does not replay; run e2fsck -p on it first"
    case .unsupported(let features):
      "its journal uses features that fuse4fs does not know (\(features.joined(separator: ", "))); use a "
        + "newer fuse4fs or the kernel's ext4 for it"
    case .reading(let errno):
      "its journal cannot be read (\(errno)); if the device is sound, run e2fsck on it"
    case .writing(let errno):
      "its journal cannot be replayed, since writing failed (\(errno)); when the device can be written, try "
        + "again"
    default:
      "its journal \(flaw); run e2fsck on it"
    }
  }

  private var flaw: String {
    switch self {
    case .noSuperblock: "has no valid superblock"
    case .superblockChecksum: "has a superblock with a wrong checksum"
    case .blockSize(let journal, let fileSystem):
      "has blocks of \(journal) bytes, and the file system of \(fileSystem)"
    case .tooLong(let claimed, let present):
      "has \(present) blocks where its superblock says \(claimed)"
    case .tooShort(let count): "has \(count) blocks, too few for a log"
    case .firstBlock(let block): "says that its log begins in block \(block), which cannot be"
    case .start(let block): "says that changes wait in block \(block), which is not in its log"
    case .checksumFeatures: "has features for checksums that contradict each other"
    case .damagedTransaction(let sequence):
      "is damaged: transaction \(sequence) was completed and has a wrong checksum"
    case .damagedBlock(let block, let sequence):
      "is damaged: the copy of block \(block) in transaction \(sequence) has a wrong checksum"
    case .outside(let block, let sequence):
      "is damaged: transaction \(sequence) has block \(block), which lies outside the file system"
    case .insideJournal(let block):
      "is damaged: it has block \(block), which is a part of the journal itself"
    case .fastCommits, .unsupported, .reading, .writing: ""
    }
  }
}
