import SystemPackage

/// Where recovery would begin if the power failed now: the place that the superblock on stable storage names, or, without barriers,
/// the superblock that was written last. Only `LogSuperblock` makes one.
struct DurableTail: Sendable {
  let position: LogPosition

  fileprivate init(_ position: LogPosition) { self.position = position }

  /// For `JournalFault.reckonsWithIntendedTail`, which takes the intended tail for a durable one.
  static func onlyIntended(_ position: LogPosition) -> DurableTail { DurableTail(position) }
}

/// The superblock of a log in use. One thread at a time writes and flushes it, and each time changes only its own fields of what is on
/// stable storage.
final class LogSuperblock: Sendable {
  /// As it is on stable storage. After a failed write, the new one may be there instead.
  private let journal: ObservedMutex<OpenJournal>
  private let usesBarriers: Bool

  init(_ journal: OpenJournal, home: BlockDevice, usesBarriers: Bool) {
    self.journal = ObservedMutex(journal, as: .journalSuperblock, of: home)
    self.usesBarriers = usesBarriers
  }

  /// Recovery is to begin at `tail` from now on.
  func name(_ tail: LogPosition) throws(Errno) -> DurableTail {
    try write { superblock in
      superblock.start = tail.block
      superblock.sequence = tail.sequence
    }
    return DurableTail(tail)
  }

  /// There is nothing to recover; the next transaction would be at `head`.
  func nameNoTail(next head: LogPosition) throws(Errno) {
    try write { superblock in
      superblock.start = 0
      superblock.sequence = head.sequence
      superblock.head = head.block
    }
  }

  /// The log has been given up.
  func note(_ error: Errno) throws(Errno) {
    try write { $0.errorCode = -error.rawValue }
  }

  private func write(_ change: (inout JournalSuperblock) -> Void) throws(Errno) {
    try journal.withLock { journal throws(Errno) in
      var next = journal
      change(&next.superblock)
      try next.writeSuperblock()
      // With the lock held: the next writer must know whether this superblock is durable.
      if usesBarriers { try next.area.device.synchronize() }
      journal = next
    }
  }
}
