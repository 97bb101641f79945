import Synchronization

/// How many mappings are kept in memory, of all files together. What is dropped is read from disk again.
final class MappingBudget: Sendable {
  private let limit: Int
  private let known = Atomic<Int>(0)

  init(limit: Int) { self.limit = limit }

  /// Of one file.
  var largestFile: Int { limit / 2 }

  var isExceeded: Bool { known.load(ordering: .relaxed) > limit }
  /// Dropping may end: there is room for a while.
  var hasRoom: Bool { known.load(ordering: .relaxed) < limit / 2 }

  func add(_ difference: Int) { known.wrappingAdd(difference, ordering: .relaxed) }
  func release(_ count: Int) { known.wrappingSubtract(count, ordering: .relaxed) }
}

extension Volume {
  /// `inode` has learnt mappings. Where there are too many by now, others lose theirs. Metadata lock held.
  func account(for inode: Inode) {
    inode.account()
    guard mappingBudget.isExceeded else { return }
    for other in inodes.all
    where other !== inode && other.accountedMappings.load(ordering: .relaxed) > 4 {
      other.mappings.removeAll()
      other.account()
      if mappingBudget.hasRoom { return }
    }
  }
}

extension Inode {
  fileprivate func account() {
    let count = mappings.count
    let before = accountedMappings.exchange(count, ordering: .relaxed)
    volume.mappingBudget.add(count - before)
  }
}
