import SystemPackage

/// Where recovery would begin if the power went now: the superblock that is on stable storage names this place, or, without barriers,
/// the one that was written. Only `LogSuperblock` makes one.
struct DurableTail: Sendable {
  let position: LogPosition

  fileprivate init(_ position: LogPosition) { self.position = position }

  /// What `JournalFault.reckonsWithIntendedTail` takes for one.
  static func onlyIntended(_ position: LogPosition) -> DurableTail { DurableTail(position) }
}

/// The superblock of a log in use. It is written and flushed by one thread at a time, and each time differs from what is on stable storage
/// in what that thread changes only.
final class LogSuperblock: Sendable {
  /// As it is on stable storage. After a failure it may also be there as it was to become.
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
      // Within the lock: who writes it next must know whether this one is the durable one.
      if usesBarriers { try next.area.device.synchronize() }
      journal = next
    }
  }
}
