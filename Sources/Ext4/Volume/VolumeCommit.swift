import CExt2FS
import Glibc
import Journal
import SystemPackage

// A commit takes what has changed to the disk. With a journal it is a transaction in the log, durable when the commit ends; without, the
// blocks are written where they belong, and what a caller must find after a crash needs a flush as well (`synchronize`).
extension Volume {
  /// Writes all changed metadata, and returns the number of the commit.
  @discardableResult
  public func commit() throws(Ext4Error) -> UInt64 {
    guard !options.readOnly, !isFrozen.load(ordering: .acquiring) else { return 0 }
    try requireToWait()
    device.willWait()
    return try committing.withLock { () throws(Ext4Error) in try commitAlone() }
  }

  /// Returns when all data and metadata written so far is on stable storage.
  public func synchronize() throws(Ext4Error) {
    guard !options.readOnly else { return }
    guard isWritable else { throw .errno(.ioError) }
    try requireToWait()
    device.willWait()
    try committing.withLock { () throws(Ext4Error) in
      let before = durableCommit.load(ordering: .acquiring)
      // The kernel does not report what it writes over data that is on disk already.
      if volumeUsesIomap.load(ordering: .acquiring) { noteUnflushedData() }
      let number = try commitAlone()
      guard !isFrozen.load(ordering: .acquiring) else { return }
      if log == nil {
        try synchronizeDevice()
        noteDurable(number)
      } else if options.usesBarriers,
        !commitsFlushData || durableCommit.load(ordering: .acquiring) == before
      {
        // No transaction has taken the data along.
        try flushData()
      }
    }
  }

  /// The periodic work in the background: a commit, which is also flushed if there is no journal and freed blocks wait for that; and a
  /// checkpoint if the log has become full.
  public func commitInBackground() throws(Ext4Error) {
    isCommitWanted.store(false, ordering: .releasing)
    guard !hasShutDown else { return }
    if log == nil, hasFreedBlocks { try synchronize() } else { try commit() }
    if let log, log.wantsCheckpoint { try checkpoint() }
  }

  /// Brings the blocks of all committed transactions home.
  public func checkpoint() throws(Ext4Error) {
    guard let log else { return }
    try attempt("writing blocks from the journal to their places") { () throws(Errno) in
      try log.checkpoint()
    }
  }

  /// The same, and makes what the journal held unreadable.
  public func eraseJournal(_ erasure: JournalLog.Erasure) throws(Ext4Error) {
    guard let log else { return }
    try committing.withLock { () throws(Ext4Error) in
      do throws(Errno) {
        try log.erase(erasure)
      } catch {
        if error == .notSupported { throw .errno(error) }
        throw .library(code: Int(error.rawValue), doing: "erasing the journal", InodeNumber(0))
      }
    }
  }

  /// `committing` held.
  private func commitAlone() throws(Ext4Error) -> UInt64 {
    try attempt("writing to the device") { () throws(Errno) in try device.checkExtent() }
    if let log { return try commit(to: log) }
    // In iomap mode freed blocks are not reused before their commit is durable, so that a late write hits no block with a new owner.
    return volumeUsesIomap.load(ordering: .acquiring)
      ? try commitUnlocked() : try commitWithLocks()
  }

  /// Calls `body` when no change is under way and while none can begin, unless nothing may be written. The answer is nil then.
  private func whileNothingChanges<R>(
    _ body: () throws(Ext4Error) -> R?
  ) throws(Ext4Error) -> R? {
    try commitGate.withWriteLock { () throws(Ext4Error) in
      try metadata.withLock { () throws(Ext4Error) in
        guard isOpen, !health.isReadOnly, !isFrozen.load(ordering: .acquiring) else { return nil }
        return try body()
      }
    }
  }

  // MARK: With a journal

  /// Copies what has changed and lets go of the locks: then the copies go into the log. Returns when they are there, with all data that
  /// they lead to.
  private func commit(to log: JournalLog) throws(Ext4Error) -> UInt64 {
    var isDone = false
    while !isDone {
      let prepared = try whileNothingChanges { () throws(Ext4Error) in
        try makeTransaction(for: log)
      }
      guard let prepared else {
        if let error = log.error { throw Self.failure(error, "writing the journal") }
        return lastCommit.load(ordering: .acquiring)
      }
      try write(prepared, to: log)
      metadata.withLock { finish(prepared) }
      noteDurable(prepared.number)
      isDone = prepared.isComplete
    }
    if log.wantsCheckpoint { requestCommit() }
    return lastCommit.load(ordering: .acquiring)
  }

  struct PreparedTransaction {
    let transaction: Transaction
    /// Of the commit.
    let number: UInt64
    /// False when more has changed than has room in a transaction.
    let isComplete: Bool
  }

  /// Nil when nothing has changed. Metadata lock held.
  func makeTransaction(for log: JournalLog) throws(Ext4Error) -> PreparedTransaction? {
    guard hasChanges else { return nil }
    let room = max(log.maximumTransactionBlocks - changedBlockCount, 1)
    let isComplete = try foldWriteTimes(ofAtMost: room)
    let number = try serialize()
    let freedRuns = freed.begun(upTo: number).map { (first: $0.first, count: $0.count) }
    return PreparedTransaction(
      transaction: log.makeTransaction(from: cache, freeing: freedRuns), number: number,
      isComplete: isComplete)
  }

  /// Whether a transaction that is committed takes all data along.
  private var commitsFlushData: Bool { options.ordersData || log?.isExternal != true }

  /// `committing` held.
  func write(_ prepared: PreparedTransaction, to log: JournalLog) throws(Ext4Error) {
    let flushesData =
      commitsFlushData && hasUnflushedData.exchange(false, ordering: .acquiringAndReleasing)
    try attempt("writing the journal") { () throws(Errno) in
      try log.commit(
        prepared.transaction, flushesData: flushesData && !isBroken(at: .commitsBeforeData))
    }
  }

  /// The transaction is in the log. Metadata lock held.
  func finish(_ prepared: PreparedTransaction) {
    prepared.transaction.release()
    freed.commit(upTo: prepared.number)
    cache.trim(to: options.cacheSizes.blocks)
  }

  /// Whether there is anything to commit. Metadata lock held.
  private var hasChanges: Bool {
    cache.isDirty || !changedGroups.isEmpty || superblock.isDirty
      || recentlyWritten.withLock { !$0.isEmpty }
  }

  /// Calls `body`, and says what failed if it does.
  func attempt(_ doing: StaticString, _ body: () throws(Errno) -> Void) throws(Ext4Error) {
    do throws(Errno) {
      try body()
    } catch {
      throw Self.failure(error, doing)
    }
  }

  private static func failure(_ error: Errno, _ doing: StaticString) -> Ext4Error {
    .library(code: Int(error.rawValue), doing: doing, InodeNumber(0))
  }

  // MARK: Without a journal

  /// Writes with the locks held.
  private func commitWithLocks() throws(Ext4Error) -> UInt64 {
    try whileNothingChanges { () throws(Ext4Error) in
      try commitLocked()
      cache.trim(to: options.cacheSizes.blocks)
      return lastCommit.load(ordering: .relaxed)
    } ?? 0
  }

  /// Copies what has changed and lets go of the locks: then the device is flushed, so that metadata never says where data is that
  /// is not there, and then the copies are written.
  private func commitUnlocked() throws(Ext4Error) -> UInt64 {
    let prepared = try whileNothingChanges { () throws(Ext4Error) in
      _ = try foldWriteTimes()
      return (try serialize(), cache.takeChanged())
    }
    guard let (number, batch) = prepared else { return 0 }
    var failure: Ext4Error?
    do throws(Ext4Error) {
      if !isBroken(at: .commitsBeforeData) { try flushData() }
      try write(batch)
    } catch {
      failure = error
    }
    metadata.withLock {
      cache.finish(batch)
      if failure == nil { freed.commit(upTo: number) }
      cache.trim(to: options.cacheSizes.blocks)
    }
    if let failure { throw failure }
    return number
  }

  /// Data that has been written is on stable storage when this returns.
  private func flushData() throws(Ext4Error) {
    guard hasUnflushedData.exchange(false, ordering: .acquiringAndReleasing) else { return }
    do throws(Ext4Error) {
      try synchronizeDevice()
    } catch {
      hasUnflushedData.store(true, ordering: .releasing)
      throw error
    }
  }

  private func write(_ batch: BlockWriteBatch) throws(Ext4Error) {
    try attempt("writing metadata") { () throws(Errno) in try batch.write() }
  }

  /// The commits up to `number` are on stable storage.
  func noteDurable(_ number: UInt64) {
    var known = durableCommit.load(ordering: .relaxed)
    while known < number {
      let (exchanged, original) = durableCommit.compareExchange(
        expected: known, desired: number, ordering: .acquiringAndReleasing)
      if exchanged { break }
      known = original
    }
    releaseFreedBlocks(upTo: number)
  }

  func synchronizeDevice() throws(Ext4Error) {
    try attempt("flushing the device") { () throws(Errno) in try device.synchronize() }
  }

  /// Serialises, and writes all changed blocks. Metadata lock held.
  func commitLocked() throws(Ext4Error) {
    try foldWriteTimes()
    let number = try serialize()
    try attempt("writing metadata") { () throws(Errno) in try cache.writeBack() }
    freed.commit(upTo: number)
  }
}
