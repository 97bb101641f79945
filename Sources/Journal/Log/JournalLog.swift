import Glibc
import Synchronization
import SystemPackage

/// The log of a mounted file system: transactions go into it, and their blocks home from there later.
///
/// The log is a ring of blocks. `tail` is where the oldest transaction begins whose blocks may not all be home, `head` where the next
/// will be written. The journal's superblock names the tail, so that recovery begins there; as long as the file
/// system is mounted it names one, even if nothing is between the two.
///
/// `makeTransaction` and `commit` are called by one thread at a time, `checkpoint` by any. Lock order: `checkpointing`, then
/// `goingHome` or `writingSuperblock`, then `state` and the checkpoint list's own.
public final class JournalLog: @unchecked Sendable {
  private struct State {
    var journal: OpenJournal
    var head: UInt32
    var nextSequence: UInt32
    var error: Errno?
  }

  private let area: JournalArea
  /// The file system's own device, which is the journal's as well if that is internal.
  private let home: BlockDevice
  /// Whether the devices are flushed (`barrier`).
  private let usesBarriers: Bool
  private let format: JournalFormat
  private let ring: Range<UInt32>
  private let state: Mutex<State>
  private let isGivenUp = Atomic<Bool>(false)
  let list = CheckpointList()
  /// Held by a checkpoint as a whole.
  private let checkpointing = Mutex(())
  /// Held while blocks are written home: whoever takes blocks off the list knows by it that none of them is just on its way.
  private let goingHome = Mutex(())
  /// Held while the superblock is written, so that no older one comes after a newer one.
  private let writingSuperblock = Mutex(())
  private let fault = Atomic<UInt8>(0)
  private let statistics = Mutex(JournalStatistics())

  /// Begins a log in a journal that is empty. Nothing is written before `start`.
  public init(_ journal: OpenJournal, home: BlockDevice, usesBarriers: Bool) {
    area = journal.area
    self.home = home
    self.usesBarriers = usesBarriers
    format = journal.format
    ring = journal.superblock.logBlocks
    state = Mutex(
      State(
        journal: journal, head: journal.superblock.logBlocks.lowerBound,
        nextSequence: journal.superblock.sequence))
  }

  /// The most blocks that a transaction may change. A quarter of the log, as with the kernel (jbd2_journal_get_max_txn_bufs), so that there is room for
  /// it while others are still in the log; and not more than what is good to hold in memory.
  public var maximumTransactionBlocks: Int { min(ring.count / 4 - 8, (8 << 20) / format.blockSize) }

  /// The journal has a device of its own, so that flushing that does nothing for data.
  public var isExternal: Bool { area.device !== home }

  /// Whether the journal has been given up, and the error after which it was.
  public var isAborted: Bool { isGivenUp.load(ordering: .acquiring) }
  public var error: Errno? { isAborted ? state.withLock { $0.error } : nil }

  /// The log is well filled: somebody should call `checkpoint`.
  public var wantsCheckpoint: Bool {
    state.withLock { usedBlocks($0) > min(ring.count / 2, (8 << 20) / format.blockSize) }
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
    try writeSuperblock { state in
      state.journal.superblock.start = state.head
      state.journal.superblock.sequence = state.nextSequence
    }
  }

  /// Brings everything home and leaves the journal empty.
  public func stop() throws(Errno) {
    try checkpoint()
    try writeSuperblock { state in
      state.journal.superblock.start = 0
      state.journal.superblock.sequence = state.nextSequence
      state.journal.superblock.head = state.head
    }
  }

  /// Gives up: nothing is written any more, and what is in the log stays there for recovery. The journal's superblock tells why,
  /// if that can be written.
  public func abort(_ error: Errno) {
    let isNew = state.withLock { state in
      guard state.error == nil else { return false }
      state.error = error
      state.journal.superblock.errorCode = -error.rawValue
      return true
    }
    guard isNew else { return }
    isGivenUp.store(true, ordering: .releasing)
    // There is nobody left to tell if this fails as well.
    _ = Result { () throws(Errno) in try writeSuperblock { _ in } }
  }

  /// Nothing more reaches the journal's device.
  public func stopWriting() { area.device.stopWriting() }

  private func writeSuperblock(_ change: (inout State) -> Void) throws(Errno) {
    try writingSuperblock.withLock { _ throws(Errno) in
      var journal = state.withLock { state in
        change(&state)
        return state.journal
      }
      try journal.writeSuperblock()
    }
    try flush(area.device)
  }

  private func flush(_ device: BlockDevice) throws(Errno) {
    if usesBarriers { try device.synchronize() }
  }

  // MARK: Commit

  /// What has changed in `cache`, as a transaction that frees `runs`: copies of the blocks, which count as unchanged from here
  /// on. Called by the cache's owner, who does so again (`Transaction.release`) when the transaction is committed.
  public func makeTransaction(
    from cache: BlockCache, freeing runs: [(first: BlockNumber, count: UInt64)]
  ) -> Transaction {
    Transaction(
      cache.takeDirty(), revoking: isBroken(at: .forgetsRevokes) ? [] : list.blocks(in: runs),
      sequence: state.withLock { $0.nextSequence }, format: format)
  }

  /// Writes the transaction into the log. It is on stable storage when this returns, with all data that was written to the file
  /// system's device before, unless that has a device of its own: then only if `flushesData`.
  ///
  /// After any error the journal is given up.
  public func commit(_ transaction: Transaction, flushesData: Bool) throws(Errno) {
    if let error { throw error }
    do throws(Errno) {
      try write(transaction, flushesData: flushesData)
    } catch {
      abort(error)
      throw error
    }
    list.add(transaction)
    // What is freed may become the data of a file at once.
    goingHome.withLock { _ in list.remove(transaction.revoked) }
    let count = transaction.logBlockCount + 1
    state.withLock { state in
      state.head = place(state.head, plus: count)
      state.nextSequence &+= 1
    }
    statistics.withLock { $0.count(transaction, logBytes: Int(count) * format.blockSize) }
  }

  private func write(_ transaction: Transaction, flushesData: Bool) throws(Errno) {
    try makeRoom(for: transaction.logBlockCount + 1)
    if isBroken(at: .checkpointsBeforeCommit) { try bringHome(transaction) }
    if flushesData, isExternal { try flush(home) }
    let head = state.withLock { $0.head }
    try transaction.withLogBlocks { (blocks, record) throws(Errno) in
      try writeRing(blocks, at: head)
      if !isBroken(at: .commitRecordBeforeBlocks) { try flush(area.device) }
      let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: format.blockSize, alignment: 4096)
      defer { block.deallocate() }
      record.encode(into: block, format: format)
      try area.write(
        UnsafeRawBufferPointer(block), at: place(head, plus: transaction.logBlockCount))
      if !isBroken(at: .acknowledgesBeforeFlush) { try flush(area.device) }
    }
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

  /// The log's block that is `count` behind `block`.
  private func place(_ block: UInt32, plus count: UInt32) -> UInt32 {
    ring.lowerBound + (block - ring.lowerBound + count) % UInt32(ring.count)
  }

  private func usedBlocks(_ state: State) -> Int {
    let size = ring.count
    return (Int(state.head) - Int(state.journal.superblock.start) + size) % size
  }

  /// Brings blocks home until `count` blocks of the log can be written. One always stays free, or a full log would look like an
  /// empty one.
  private func makeRoom(for count: UInt32) throws(Errno) {
    func hasRoom() -> Bool {
      state.withLock { ring.count - usedBlocks($0) > Int(count) }
    }
    if hasRoom() { return }
    try checkpoint()
    guard hasRoom() else { throw .noSpace }
  }

  // MARK: Checkpoint

  /// Brings home the blocks of all transactions that are committed by now, and takes those out of the log. After any error the journal is given up.
  public func checkpoint() throws(Errno) {
    try checkpointing.withLock { _ throws(Errno) in
      if let error { throw error }
      do throws(Errno) {
        try bringHome()
      } catch {
        abort(error)
        throw error
      }
    }
  }

  /// How what the log held is made unreadable.
  public enum Erasure: Sendable { case discard, zeros }

  /// Checkpoints, and then erases the log's blocks. Nothing may be committed meanwhile. EOPNOTSUPP if the device cannot discard.
  public func erase(_ erasure: Erasure) throws(Errno) {
    if erasure == .discard, area.device.discardGranularity == nil { throw .notSupported }
    try checkpoint()
    try checkpointing.withLock { _ throws(Errno) in
      switch erasure {
      case .discard: try area.discard(ring)
      case .zeros: try area.zero(ring)
      }
      try flush(area.device)
    }
  }

  private func bringHome() throws(Errno) {
    let (start, head, next) = state.withLock {
      ($0.journal.superblock.start, $0.head, $0.nextSequence)
    }
    guard head != start else { return }
    if isBroken(at: .advancesTailEarly) { try advanceTail(to: head, next) }
    try writeHome(list.blocks(upTo: next &- 1), upTo: next &- 1)
    try flush(home)
    // The log's blocks may be written again once this says that recovery begins behind them, on stable storage.
    try advanceTail(to: head, next)
    list.removeAll(upTo: next &- 1)
    statistics.withLock { $0.checkpoints += 1 }
  }

  private func advanceTail(to head: UInt32, _ sequence: UInt32) throws(Errno) {
    try writeSuperblock { state in
      state.journal.superblock.start = head
      state.journal.superblock.sequence = sequence
    }
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
