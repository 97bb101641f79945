import Glibc
import SystemPackage

/// Brings home what a log holds, after which the log is empty.
///
/// Three passes over the log, as fs/jbd2/recovery.c makes them: how far it is complete, which blocks are revoked, and what goes
/// home. Unlike there, nothing is written before everything has been checked, and each block is written once.
public struct JournalRecovery: Sendable {
  /// How far it has come, in blocks of the log that are checked, and then blocks of the file system that are written.
  public struct Progress: Sendable {
    public let isWriting: Bool
    public let done: Int
    public let total: Int
  }

  /// What was done.
  public struct Outcome: Sendable, Equatable {
    public var transactions: UInt32 = 0
    /// Blocks of the file system that were written.
    public var blocks = 0
    public var revokes = 0
    /// The numbers of the first and the last of the transactions, if there are any.
    public var first: UInt32 = 0
    public var last: UInt32 = 0

    public init() {}
  }

  private let fileSystem: BlockDevice
  private let firstBlock: UInt64
  private let blockCount: UInt64
  private let progress: @Sendable (Progress) -> Void

  /// - Parameters:
  ///   - fileSystem: where blocks go home.
  ///   - firstBlock: the first that is the file system's; 1 with blocks of 1 KiB.
  ///   - blockCount: behind the last, as the superblock on disk has it.
  public init(
    fileSystem: BlockDevice, firstBlock: UInt64, blockCount: UInt64,
    progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) {
    self.fileSystem = fileSystem
    self.firstBlock = firstBlock
    self.blockCount = blockCount
    self.progress = progress
  }

  /// Replays the log of `journal`, if there is anything in it, and leaves it empty on stable storage. When it throws anything but
  /// `writing`, nothing has been written; and after that, too, it may be tried again.
  public func run(_ journal: inout OpenJournal) throws(JournalError) -> Outcome {
    guard journal.superblock.needsRecovery else { return Outcome() }
    let reader = LogReader(journal)
    let scan = try LogScan(journal, reader)
    guard try !FastCommitArea(journal).holdsRecords(for: scan.end) else { throw .fastCommits }
    let limits = ReplayLimits(
      journal, fileSystem: fileSystem, firstBlock: firstBlock, blockCount: blockCount)
    let plan = try ReplayPlan(journal, scan, reader, limits: limits) { done in
      progress(Progress(isWriting: false, done: done, total: scan.blockCount))
    }
    do throws(Errno) {
      try write(plan, from: journal.area)
      try fileSystem.synchronize()
    } catch {
      throw .writing(error)
    }
    try Self.empty(&journal, next: scan.end &+ 1, head: scan.head)
    var outcome = Outcome()
    outcome.transactions = scan.transactionCount
    outcome.blocks = plan.copies.count
    outcome.revokes = plan.revokeCount
    outcome.first = scan.first
    outcome.last = scan.end &- 1
    return outcome
  }

  /// Forgets what the log holds, without replaying it: what the kernel does when the file system says that there is nothing to
  /// recover, and so has been changed without the journal (`jbd2_journal_wipe`).
  public static func discard(_ journal: inout OpenJournal) throws(JournalError) {
    guard journal.superblock.needsRecovery else { return }
    do throws(JournalError) {
      let scan = try LogScan(journal, LogReader(journal))
      try empty(&journal, next: scan.end &+ 1, head: scan.head)
    } catch {
      if case .writing = error { throw error }
      let superblock = journal.superblock
      // Behind the damage there may be as many transactions as have room, with numbers that follow.
      try empty(
        &journal, next: superblock.sequence &+ superblock.blockCount, head: superblock.firstBlock)
    }
  }

  /// Where the log stopped, transaction `next` may begin: its number is larger than that of whatever may be left there.
  private static func empty(
    _ journal: inout OpenJournal, next: UInt32, head: UInt32
  ) throws(JournalError) {
    journal.superblock.sequence = next
    journal.superblock.start = 0
    journal.superblock.head = head
    // The next mount decides anew whether to use fast commits (jbd2_mark_journal_empty).
    journal.superblock.features.incompatible.remove(.fastCommit)
    do throws(Errno) {
      try journal.writeSuperblock()
      try journal.area.device.synchronize()
    } catch {
      throw .writing(error)
    }
  }

  /// Bytes written at a time.
  private static let batchSize = 1 << 20

  private func write(_ plan: ReplayPlan, from area: JournalArea) throws(Errno) {
    let size = area.blockSize
    let capacity = max(1, Self.batchSize / size)
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: capacity * size, alignment: 4096)
    defer { buffer.deallocate() }
    var first = 0
    while first < plan.copies.count {
      var count = 0
      // Neighbours at home go together.
      while count < capacity, first + count < plan.copies.count,
        plan.copies[first + count].home == plan.copies[first].home + UInt64(count)
      {
        let copy = plan.copies[first + count]
        let place = UnsafeMutableRawBufferPointer(
          rebasing: buffer[count * size..<(count + 1) * size])
        try area.read(copy.block, into: place)
        if copy.isEscaped { place.setBigEndian32(JournalBlockHeader.magic, at: 0) }
        count += 1
      }
      try fileSystem.write(
        UnsafeRawBufferPointer(rebasing: buffer[..<(count * size)]),
        at: plan.copies[first].home.rawValue * UInt64(size))
      first += count
      progress(Progress(isWriting: true, done: first, total: plan.copies.count))
    }
  }
}
