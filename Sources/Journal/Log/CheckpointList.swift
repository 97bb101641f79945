import Glibc

/// The copies of blocks that are committed, but whose transaction is still in the log: what is at home may be older. Of each block
/// the last copy.
///
/// Its lock is an innermost one.
final class CheckpointList: Sendable {
  private struct Entry {
    let transaction: Transaction
    let index: Int
  }

  private let entries: ObservedMutex<[UInt64: Entry]>

  /// `device`: of the file system.
  init(of device: BlockDevice) {
    entries = ObservedMutex([:], as: .checkpointList, of: device)
  }

  /// The transaction is committed.
  func add(_ transaction: Transaction) {
    entries.withLock { entries in
      for (index, block) in transaction.blocks.enumerated() {
        entries[block.rawValue] = Entry(transaction: transaction, index: index)
      }
    }
  }

  /// Fills `buffer` with the last committed copy of `block`; false if that is the one at home, or one of a later transaction than
  /// `sequence`.
  func read(
    _ block: BlockNumber, upTo sequence: UInt32? = nil,
    into buffer: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let entry = entries.withLock({ $0[block.rawValue] }) else { return false }
    if let sequence, !isSequence(entry.transaction.sequence, atOrBefore: sequence) {
      return false
    }
    buffer.copyMemory(from: UnsafeRawBufferPointer(entry.transaction.copy(at: entry.index)))
    return true
  }

  /// Those blocks of `runs`, pairs of a first block and a count, that have a copy in the log.
  func blocks(in runs: [(first: BlockNumber, count: UInt64)]) -> [BlockNumber] {
    guard !runs.isEmpty else { return [] }
    return entries.withLock { entries in
      if runs.reduce(0, { $0 + $1.count }) <= UInt64(entries.count) {
        return runs.flatMap { run in
          (run.first.rawValue..<(run.first + run.count).rawValue).filter { entries[$0] != nil }
        }
      }
      let sorted = runs.sorted { $0.first < $1.first }
      return entries.keys.filter { block in
        let behind = sorted.partitioningIndex { $0.first.rawValue > block }
        return behind > 0 && block < (sorted[behind - 1].first + sorted[behind - 1].count).rawValue
      }
    }.map { BlockNumber($0) }
  }

  /// Blocks that were freed: their copies go nowhere any more.
  func remove(_ blocks: [BlockNumber]) {
    entries.withLock { entries in
      for block in blocks { entries[block.rawValue] = nil }
    }
  }

  /// The blocks with copies of transactions up to `sequence`, in the order of their numbers.
  func blocks(upTo sequence: UInt32) -> [BlockNumber] {
    // An array, and no lazy sequence: that would be read after the lock, and have `add` copy the whole list meanwhile.
    let blocks: [BlockNumber] = entries.withLock { entries in
      entries.compactMap { block, entry in
        isSequence(entry.transaction.sequence, atOrBefore: sequence) ? BlockNumber(block) : nil
      }
    }
    return blocks.sorted()
  }

  /// The transactions up to `sequence` have left the log.
  func removeAll(upTo sequence: UInt32) {
    entries.withLock { entries in
      entries = entries.filter {
        !isSequence($0.value.transaction.sequence, atOrBefore: sequence)
      }
    }
  }
}

extension Array {
  /// The first index whose element, like all behind it, satisfies `belongsBehind`.
  func partitioningIndex(_ belongsBehind: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if belongsBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
