import Foundation
import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Journal

/// What a commit may overwrite while a checkpoint moves the log's tail: nothing that recovery might still start from.
struct DurableTailTests {
  /// Where the checkpoint stops.
  enum Stop: CaseIterable {
    /// The superblock that names the new tail has not been written.
    case beforeWrite
    /// It has been written, and may be lost.
    case beforeFlush
  }

  /// The power goes while a checkpoint is between its decision to move the tail and the flush of the superblock that says so.
  @Test(arguments: Stop.allCases) func aCommitBesideACheckpointIsRecovered(_ stop: Stop) throws {
    let (isAcknowledged, found) = try Self.commitBesideACheckpoint(stop, breaking: nil)
    #expect(!isAcknowledged, "the commit has no room before the tail is durable")
    #expect(found == [4])
  }

  /// The test above would notice.
  @Test(arguments: Stop.allCases) func whoReckonsWithTheIntendedTailLosesACommit(
    _ stop: Stop
  ) throws {
    let (isAcknowledged, found) = try Self.commitBesideACheckpoint(
      stop, breaking: .reckonsWithIntendedTail)
    #expect(isAcknowledged)
    #expect(found != [5])
  }

  /// Whether a commit was acknowledged while a checkpoint stood still, and what blocks that always change together hold if the power goes
  /// then.
  private static func commitBesideACheckpoint(
    _ stop: Stop, breaking fault: JournalFault?
  ) throws -> (isAcknowledged: Bool, found: Set<UInt8>) {
    let brake = Brake(superblockAt: LogFixture.journalStart * 1024, stop)
    let disk = try LogFixture(observer: brake, lockObserver: brake)
    func change(_ round: UInt8, _ blocks: Range<UInt64>) throws {
      for block in blocks { try disk.cache.replace(block, with: disk.block(round)) }
    }
    // Four fifths of the log.
    for round in 1...UInt8(4) {
      try change(round, 100..<300)
      try disk.commit()
    }
    let log = disk.log
    log.breakOnPurpose(at: fault)
    brake.arm()
    let checkpoint = Task { () throws(Errno) in try log.checkpoint() }
    brake.waitUntilStopped()

    // This transaction does not fit in front of the durable tail.
    try change(5, 100..<340)
    let transaction = log.makeTransaction(from: disk.cache, freeing: [])
    let commit = Task { () throws(Errno) in
      try log.commit(transaction, flushesData: false)
    } whenEnded: {
      brake.commitEndsOrWaits.signal()
    }
    brake.commitEndsOrWaits.wait()
    let isAcknowledged = commit.hasEnded
    var left = try disk.file.contents
    brake.undoUnflushed(in: &left)
    let found = try roundsAfterRecovery(of: left)

    brake.release()
    try checkpoint.result()
    try commit.result()
    if fault == nil { #expect(try roundsAfterRecovery(of: try disk.file.contents) == [5]) }
    return (isAcknowledged, found)
  }

  /// What the blocks that changed together hold: one value, or they do not agree.
  private static func roundsAfterRecovery(of bytes: [UInt8]) throws -> Set<UInt8> {
    let crashed = CrashedLog(try MemoryFile(bytes))
    _ = try crashed.recover()
    return Set(try (100..<UInt64(300)).flatMap { try Set(crashed.atHome($0)) })
  }
}

/// Stops the thread that writes or flushes the journal's superblock, once.
private final class Brake: BlockDeviceObserver, LockObserver {
  private enum Phase { case idle, armed, written, stopped }

  private let superblock: UInt64
  private let stop: DurableTailTests.Stop
  private let phase = Mutex(Phase.idle)
  private let unflushed = Mutex<[UInt8]?>(nil)
  private let stopped = DispatchSemaphore(value: 0)
  private let released = DispatchSemaphore(value: 0)
  let commitEndsOrWaits = DispatchSemaphore(value: 0)

  init(superblockAt offset: UInt64, _ stop: DurableTailTests.Stop) {
    superblock = offset
    self.stop = stop
  }

  func arm() { phase.withLock { $0 = .armed } }
  func waitUntilStopped() { stopped.wait() }
  func release() { released.signal() }

  /// Makes `bytes` what is left if the superblock that was written does not reach the disk.
  func undoUnflushed(in bytes: inout [UInt8]) {
    guard let old = unflushed.withLock({ $0 }) else { return }
    bytes.replaceSubrange(Int(superblock)..<Int(superblock) + old.count, with: old)
  }

  private let lastRead = Mutex<[UInt8]>([])

  func didRead(_ count: Int, at offset: UInt64) {}

  func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
    guard offset == superblock else { return }
    let previous = lastRead.withLock { last in
      defer { last = Array(bytes) }
      return last
    }
    let isArmed = phase.withLock { phase in
      guard phase == .armed else { return false }
      phase = stop == .beforeWrite ? .stopped : .written
      return true
    }
    guard isArmed else { return }
    if stop == .beforeWrite { return halt() }
    unflushed.withLock { $0 = previous }
  }

  func willFlush() {
    let isTurn = phase.withLock { phase in
      guard phase == .written else { return false }
      phase = .stopped
      return true
    }
    if isTurn { halt() }
  }

  func didFlush() {}

  /// The checkpoint has that lock already when it is stopped.
  func willTake(_ lock: ObservedLock, shared: Bool) {
    if lock.role == .checkpointing, phase.withLock({ $0 == .stopped }) {
      commitEndsOrWaits.signal()
    }
  }

  func didRelease(_ lock: ObservedLock) {}

  private func halt() {
    stopped.signal()
    released.wait()
  }
}

/// A thread that does one thing.
private final class Task: Sendable {
  private let outcome = Mutex<Result<Void, Errno>?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  init(
    _ body: @escaping @Sendable () throws(Errno) -> Void,
    whenEnded: @escaping @Sendable () -> Void = {}
  ) {
    Thread.detachNewThread { [self] in
      let result = Result { () throws(Errno) in try body() }
      outcome.withLock { $0 = result }
      ended.signal()
      whenEnded()
    }
  }

  var hasEnded: Bool { outcome.withLock { $0 != nil } }

  func result() throws {
    ended.wait()
    try outcome.withLock { $0 }?.get()
  }
}
