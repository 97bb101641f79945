import Journal
import Synchronization
import SystemPackage

/// How many blocks a step of an operation may change at most, bitmaps and group descriptors included.
///
/// A step is what happens under the metadata lock, or, where data must be written between two halves of it, under the commit gate.
/// It is wholly in one transaction. Whatever may change more is done in several steps, in an order that leaves a file system without
/// faults after each.
enum Credits {
  /// Names, inodes, attributes: two directories whose indexes are split on all levels, with the nodes of their extent trees and what
  /// allocates them.
  static let ordinary = 64
  /// Blocks for data: as many runs as `runsPerStep`, each in two groups, and the nodes that record them.
  static let allocation = 64
  static let runsPerStep = 8
  /// After so many changed blocks a removal of blocks ends its step.
  static let removal = 32
  /// Runs after which it does, so that it does not hold the metadata lock for long.
  static let removedRunsPerStep = 1024
}

extension Volume {
  /// Changes metadata in one step. Neither the metadata lock nor the commit gate may be held: when the running transaction has no room
  /// for `credits` more blocks, it is committed first.
  func change<R>(
    credits: Int = Credits.ordinary, _ body: () throws(Ext4Error) -> R
  ) throws(Ext4Error) -> R {
    while true {
      let result = try withMetadata { () throws(Ext4Error) -> R? in
        guard hasRoomInTransaction(for: credits) else { return nil }
        defer { noteTransactionSize() }
        return .some(try step(body))
      }
      if let result { return result }
      try commit()
    }
  }

  /// Changes metadata in as many steps as `step`, which returns whether it was the last, takes. `mayBreakOff`: all is in order after
  /// each of them, so that EINTR ends it when the caller is gone.
  func changeInSteps(
    mayBreakOff: Bool = false, _ step: () throws(Ext4Error) -> Bool
  ) throws(Ext4Error) {
    try requireToWait()
    while try !change(step) {
      device.willWait()
      metadata.giveWay()
      if mayBreakOff { try requireCaller() }
    }
  }

  /// Changes metadata in several pieces, each of which takes the metadata lock, between which no commit may fall: together they change no
  /// more than `credits` blocks. Neither the metadata lock nor the commit gate may be held.
  func changeWithoutCommit<R>(
    credits: Int = Credits.allocation, _ body: () throws(Ext4Error) -> R
  ) throws(Ext4Error) -> R {
    while true {
      let result = try commitGate.withReadLock { () throws(Ext4Error) -> R? in
        guard metadata.withLock({ promise(credits) }) else { return nil }
        defer { metadata.withLock { keepPromise(credits) } }
        return .some(try body())
      }
      if let result { return result }
      try commit()
    }
  }

  /// Metadata lock held, for all of the following.
  private func promise(_ credits: Int) -> Bool {
    guard hasRoomInTransaction(for: credits) else { return false }
    promisedBlocks += credits
    return true
  }

  private func keepPromise(_ credits: Int) {
    promisedBlocks -= credits
    noteTransactionSize()
  }

  private func hasRoomInTransaction(for credits: Int) -> Bool {
    guard let log, isWritable, !isFrozen.load(ordering: .acquiring) else { return true }
    let changed = changedBlockCount + promisedBlocks
    return changed == 0 || changed + credits <= log.maximumTransactionBlocks
  }

  /// The most blocks that a commit would write now: with those that it brings up to date itself, which may be fewer than is
  /// assumed here.
  var changedBlockCount: Int {
    let groups = changedGroups.blockBitmaps.count + changedGroups.inodeBitmaps.count
    return cache.dirtyCount + 2 * groups
  }

  private func noteTransactionSize() {
    guard let log, changedBlockCount > log.maximumTransactionBlocks / 2 else { return }
    requestCommit()
  }

  /// Has the background commit soon.
  func requestCommit() {
    guard !isCommitWanted.exchange(true, ordering: .acquiringAndReleasing) else { return }
    wantsCommit.withLock { $0 }?()
  }

  /// Data from the kernel's cache has been written.
  func noteWriteback() {
    writebacks.wrappingAdd(1, ordering: .relaxed)
    guard !hasWriteback.load(ordering: .relaxed),
      !hasWriteback.exchange(true, ordering: .acquiringAndReleasing)
    else { return }
    wantsCommit.withLock { $0 }?()
  }

  /// Why the background should commit before the end of the interval.
  public enum CommitReason: Sendable {
    /// The running transaction or the log is large.
    case size
    /// Data has come from the kernel's writeback. When no more comes, a sync(2) may have ended, whose caller believes that all is on disk.
    case writeback
  }

  public var reasonToCommit: CommitReason? {
    if isCommitWanted.load(ordering: .acquiring) { return .size }
    return hasWriteback.load(ordering: .acquiring) ? .writeback : nil
  }

  /// Goes up with everything that comes from the kernel's cache.
  public var writebackCount: UInt64 { writebacks.load(ordering: .relaxed) }

  /// Commits and flushes, since no more data comes from the kernel's cache.
  public func commitWriteback() throws(Ext4Error) {
    hasWriteback.store(false, ordering: .releasing)
    guard isWritable else { return }
    try synchronize()
  }

  /// `notify` is called, with locks held, when there is a reason to commit.
  public func whenCommitIsWanted(_ notify: @escaping @Sendable () -> Void) {
    wantsCommit.withLock { $0 = notify }
  }
}

/// Counts what a removal of blocks does, and says when its step must end.
struct RemovalBudget {
  private let volume: Volume
  private let limit: Int
  private var runs = 0
  /// The removal stopped because of the budget, and is not done.
  private(set) var isSpent = false

  init(_ volume: Volume) {
    self.volume = volume
    limit = volume.changedBlockCount + Credits.removal
  }

  /// Whether another run may be freed.
  mutating func allowsAnother() -> Bool {
    if runs >= Credits.removedRunsPerStep || volume.changedBlockCount >= limit { isSpent = true }
    runs += 1
    return !isSpent
  }
}
