import Glibc
import Synchronization
import SystemPackage

/// The log of a mounted file system: transactions go into it, and their blocks home from there later.
///
/// The log is a ring of blocks. The tail is where the oldest transaction begins whose blocks may not all be home, the head where the next
/// will be written. The journal's superblock names the tail, so that recovery begins there; as long as the file
/// system is mounted it names one, even if nothing is between the two.
///
/// "Durable" is what is on stable storage because the device was flushed since; without barriers (`barrier=0`) it is what was written.
/// The *durable tail* is the one that the durable superblock names. While a checkpoint works, it *intends* a later one.
/// At every moment, with any number of threads, these invariants hold, so that the power may fail at any moment:
///
/// 1. Recovery begins at the durable tail, or at the intended one while the superblock that names it is being written.
/// 2. No block from the durable tail to the head is overwritten: a commit writes behind the head only, and ends in front of the durable
///    tail (`LogSpace`, which knows no other).
/// 3. A superblock may name an intended tail only when, for each block of the transactions before that tail, the last copy is durable at
///    home. Excepted are blocks that a committed transaction behind the tail changes, or that a committed transaction has revoked.
/// 4. A commit record is written when the rest of its transaction, and the data that it leads to in the file system, is durable.
///    A commit is acknowledged when its record is durable. The next commit begins after that, so that no transaction follows an
///    incomplete one.
/// 5. A copy enters the checkpoint list when its transaction is durable. It leaves the list when the durable tail is behind its
///    transaction, when a durable transaction has revoked it, or when the copy of a later transaction takes its place. So the list names
///    each block that recovery would write, and tells which of the freed blocks need a revoke record.
/// 6. A copy goes home while `goingHome` is held, and only if it is in the list at that moment. Revoked copies also leave the list while
///    `goingHome` is held: when a commit ends, none of the blocks that it frees is on its way home.
/// 7. Superblocks are written and flushed one after the other. Each differs from the durable one only in what its writer changes, and
///    holds nothing of what another thread is about to change (`LogSuperblock`).
/// 8. After an error the superblock gets the error's code and keeps the durable tail. Commits and checkpoints under way then end before
///    their next write, and no commit is acknowledged any more.
/// 9. Old blocks in the ring behind the head have lower sequence numbers than the next transaction, so that recovery does not take
///    them for later transactions.
///
/// `makeTransaction` and `commit` are called by one thread at a time, `checkpoint` by any. Lock order: `checkpointing`, then
/// `goingHome` or the superblock's, then `state` and the checkpoint list's own.
public final class JournalLog: @unchecked Sendable {
  private struct State {
    var space: LogSpace
    var error: Errno?
  }

  private let area: JournalArea
  /// The file system's own device, which is the journal's as well if that is internal.
  private let home: BlockDevice
  /// Whether the devices are flushed (`barrier`).
  private let usesBarriers: Bool
  private let format: JournalFormat
  private let ring: Range<UInt32>
  private let superblock: LogSuperblock
  private let state: ObservedMutex<State>
  private let isGivenUp = Atomic<Bool>(false)
  let list: CheckpointList
  /// Held by a checkpoint as a whole.
  private let checkpointing: ObservedMutex<Void>
  /// Held while blocks are written home (invariant 6).
  private let goingHome: ObservedMutex<Void>
  private let fault = Atomic<UInt8>(0)
  private let statistics = Mutex(JournalStatistics())

  /// Begins a log in a journal that is empty. Nothing is written before `start`.
  public init(_ journal: OpenJournal, home: BlockDevice, usesBarriers: Bool) {
    area = journal.area
    self.home = home
    self.usesBarriers = usesBarriers
    format = journal.format
    ring = journal.superblock.logBlocks
    superblock = LogSuperblock(journal, home: home, usesBarriers: usesBarriers)
    let head = LogPosition(block: ring.lowerBound, sequence: journal.superblock.sequence)
    state = ObservedMutex(State(space: LogSpace(ring: ring, head: head)), as: .logState, of: home)
    list = CheckpointList(of: home)
    checkpointing = ObservedMutex((), as: .checkpointing, of: home)
    goingHome = ObservedMutex((), as: .goingHome, of: home)
  }

  /// The most blocks that a transaction may change. A quarter of the log, as with the kernel (jbd2_journal_get_max_txn_bufs), so that there is room for
  /// it while others are still in the log; and not more than what is good to hold in memory.
  public var maximumTransactionBlocks: Int { min(ring.count / 4 - 8, (8 << 20) / format.blockSize) }

  /// The journal has a device of its own, so that flushing it does not flush data.
  public var isExternal: Bool { area.device !== home }

  /// Whether the journal has been given up, and the error after which it was.
  public var isAborted: Bool { isGivenUp.load(ordering: .acquiring) }
  public var error: Errno? { isAborted ? state.withLock { $0.error } : nil }

  /// The log is well filled: the volume should call `checkpoint` soon.
  public var wantsCheckpoint: Bool {
    state.withLock {
      $0.space.usedBlockCount > min(ring.count / 2, (8 << 20) / format.blockSize)
    }
  }

  public var counts: JournalStatistics { statistics.withLock { $0 } }

  /// Breaks the log at a point; nil mends it.
  public func breakOnPurpose(at point: JournalFault?) {
    fault.store(point?.rawValue ?? 0, ordering: .relaxed)
  }

  private func isBroken(at point: JournalFault) -> Bool {
    fault.load(ordering: .relaxed) == point.rawValue
  }

  // MARK: Beginning and end

  /// Says in the journal's superblock where the log begins. The file system must say by then that it needs recovery.
  public func start() throws(Errno) {
    try moveTail(to: state.withLock { $0.space.head })
  }

  /// Brings everything home and leaves the journal empty. Nothing may be committed meanwhile, nor after.
  public func stop() throws(Errno) {
    try checkpointing.withLock { _ throws(Errno) in
      try checkpointAlone()
      let head = try state.withLock { state throws(Errno) in
        guard state.space.isEmpty else { throw .resourceBusy }
        state.space.moveTail(to: nil)
        return state.space.head
      }
      try superblock.nameNoTail(next: head)
    }
  }

  /// Gives up: nothing is written any more, and what is in the log stays there for recovery. The journal's superblock gets the error
  /// code, if it can be written.
  public func abort(_ error: Errno) {
    let isNew = state.withLock { state in
      guard state.error == nil else { return false }
      state.error = error
      return true
    }
    guard isNew else { return }
    isGivenUp.store(true, ordering: .releasing)
    // The log is given up in any case: an error here changes nothing.
    _ = Result { () throws(Errno) in try superblock.note(error) }
  }

  /// Throws after `abort` (invariant 8).
  private func requireLive() throws(Errno) {
    if let error { throw error }
  }

  /// Nothing more reaches the journal's device.
  public func stopWriting() { area.device.stopWriting() }

  private func flush(_ device: BlockDevice) throws(Errno) {
    if usesBarriers { try device.synchronize() }
  }

  // MARK: Commit

  /// What has changed in `cache`, as a transaction that frees `runs`: copies of the blocks, which count as unchanged from here
  /// on. The cache's owner calls this, and calls `Transaction.release` when the transaction is committed.
  public func makeTransaction(
    from cache: BlockCache, freeing runs: [(first: BlockNumber, count: UInt64)]
  ) -> Transaction {
    Transaction(
      cache.takeDirty(), revoking: isBroken(at: .forgetsRevokes) ? [] : list.blocks(in: runs),
      sequence: state.withLock { $0.space.head.sequence }, format: format)
  }

  /// Writes the transaction into the log. It is on stable storage when this returns, with all data that was written to the file
  /// system's device before, unless that has a device of its own: then only if `flushesData`.
  ///
  /// After any error the journal is given up.
  public func commit(_ transaction: Transaction, flushesData: Bool) throws(Errno) {
    try requireLive()
    if isBroken(at: .listsCopiesBeforeCommit) { list.add(transaction) }
    do throws(Errno) {
      try write(transaction, flushesData: flushesData)
    } catch {
      abort(error)
      throw error
    }
    list.add(transaction)
    // What is freed may become the data of a file at once.
    if isBroken(at: .takesOffCopiesGoingHome) {
      list.remove(transaction.revoked)
    } else {
      goingHome.withLock { _ in list.remove(transaction.revoked) }
    }
    let count = transaction.logBlockCount + 1
    state.withLock { $0.space.append(count) }
    statistics.withLock { $0.count(transaction, logBytes: Int(count) * format.blockSize) }
  }

  private func write(_ transaction: Transaction, flushesData: Bool) throws(Errno) {
    try makeRoom(for: transaction.logBlockCount + 1)
    if isBroken(at: .checkpointsBeforeCommit) { try bringHome(transaction) }
    if flushesData, isExternal { try flush(home) }
    let space = state.withLock { $0.space }
    try transaction.withLogBlocks { (blocks, record) throws(Errno) in
      try requireLive()
      try writeRing(blocks, at: space.head.block)
      if !isBroken(at: .commitRecordBeforeBlocks) { try flush(area.device) }
      let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: format.blockSize, alignment: 4096)
      defer { block.deallocate() }
      record.encode(into: block, format: format)
      try requireLive()
      try area.write(
        UnsafeRawBufferPointer(block),
        at: space.place(space.head.block, plus: transaction.logBlockCount))
      if !isBroken(at: .acknowledgesBeforeFlush) { try flush(area.device) }
    }
    try requireLive()
  }

  /// Writes `blocks` from `head` on, round the ring's end if need be.
  private func writeRing(_ blocks: UnsafeRawBufferPointer, at head: UInt32) throws(Errno) {
    let untilEnd = Int(ring.upperBound - head) * format.blockSize
    let first = min(untilEnd, blocks.count)
    if first > 0 {
      try area.write(UnsafeRawBufferPointer(rebasing: blocks[..<first]), at: head)
    }
    if first < blocks.count {
      try area.write(UnsafeRawBufferPointer(rebasing: blocks[first...]), at: ring.lowerBound)
    }
  }

  /// Brings blocks home until `count` blocks of the log can be written.
  private func makeRoom(for count: UInt32) throws(Errno) {
    func hasRoom() -> Bool { state.withLock { $0.space.hasRoom(for: count) } }
    if hasRoom() { return }
    try checkpointing.withLock { _ throws(Errno) in
      // The checkpoint that was waited for may have made it.
      if !hasRoom() { try checkpointAlone() }
    }
    guard hasRoom() else { throw .noSpace }
  }

  // MARK: Checkpoint

  /// Brings home the blocks of all transactions that are committed by now, and takes those out of the log. After any error the journal is given up.
  public func checkpoint() throws(Errno) {
    try checkpointing.withLock { _ throws(Errno) in try checkpointAlone() }
  }

  /// `checkpointing` held.
  private func checkpointAlone() throws(Errno) {
    try requireLive()
    do throws(Errno) {
      try bringHome()
    } catch {
      abort(error)
      throw error
    }
  }

  /// How what the log held is made unreadable.
  public enum Erasure: Sendable { case discard, zeros }

  /// Checkpoints, and then erases the log's blocks. Nothing may be committed meanwhile. EOPNOTSUPP if the device cannot discard.
  public func erase(_ erasure: Erasure) throws(Errno) {
    if erasure == .discard, area.device.discardGranularity == nil { throw .notSupported }
    try checkpointing.withLock { _ throws(Errno) in
      try checkpointAlone()
      guard state.withLock({ $0.space.isEmpty }) else { throw .resourceBusy }
      switch erasure {
      case .discard: try area.discard(ring)
      case .zeros: try area.zero(ring)
      }
      try flush(area.device)
    }
  }

  private func bringHome() throws(Errno) {
    let space = state.withLock { $0.space }
    guard !space.isEmpty else { return }
    let intended = space.head
    let last = intended.sequence &- 1
    if isBroken(at: .advancesTailEarly) { try moveTail(to: intended) }
    try writeHome(list.blocks(upTo: last), upTo: last)
    try flush(home)
    if isBroken(at: .reckonsWithIntendedTail) {
      state.withLock { $0.space.moveTail(to: .onlyIntended(intended)) }
    }
    if isBroken(at: .forgetsCopiesEarly) { list.removeAll(upTo: last) }
    try moveTail(to: intended)
    list.removeAll(upTo: last)
    statistics.withLock { $0.checkpoints += 1 }
  }

  /// The log's blocks in front of `intended` may be overwritten when this returns.
  private func moveTail(to intended: LogPosition) throws(Errno) {
    try requireLive()
    let tail = try superblock.name(intended)
    state.withLock { $0.space.moveTail(to: tail) }
  }

  /// Writes the copies of `blocks`, in the order of their numbers, neighbours together. A copy that is newer than `sequence`
  /// stays: it is in the log behind that.
  private func writeHome(_ blocks: [BlockNumber], upTo sequence: UInt32) throws(Errno) {
    let capacity = max(1, (1 << 20) / format.blockSize)
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: capacity * format.blockSize, alignment: 4096)
    defer { memory.deallocate() }
    var position = 0
    while position < blocks.count {
      try requireLive()
      try goingHome.withLock { _ throws(Errno) in
        var count = 0
        let first = blocks[position]
        while position < blocks.count, count < capacity, blocks[position] == first + UInt64(count) {
          let place = UnsafeMutableRawBufferPointer(
            rebasing: memory[count * format.blockSize..<(count + 1) * format.blockSize])
          guard list.read(blocks[position], upTo: sequence, into: place) else { break }
          count += 1
          position += 1
        }
        if count == 0 {
          position += 1
        } else {
          try home.write(
            UnsafeRawBufferPointer(rebasing: memory[..<(count * format.blockSize)]),
            at: first.rawValue * UInt64(format.blockSize))
        }
      }
    }
  }

  /// What a test breaks: too early.
  private func bringHome(_ transaction: Transaction) throws(Errno) {
    for (index, block) in transaction.blocks.enumerated() {
      try home.write(
        UnsafeRawBufferPointer(transaction.copy(at: index)),
        at: block.rawValue * UInt64(format.blockSize))
    }
  }
}
