import Journal

/// Which task holds which lock.
struct LockModel {
  private struct Holders {
    var tasks: [Int] = []
    var isShared = false
  }

  private var held: [UInt: Holders] = [:]

  /// The task has the lock from now on; false if it has to wait. `otherwise`: a writer comes first.
  mutating func take(
    _ lock: ObservedLock, shared: Bool, by task: Int, otherwise writerWaits: Bool
  ) -> Bool {
    guard let holders = held[lock.identity] else {
      if shared, writerWaits { return false }
      held[lock.identity] = Holders(tasks: [task], isShared: shared)
      return true
    }
    guard shared, holders.isShared, !writerWaits else { return false }
    held[lock.identity]?.tasks.append(task)
    return true
  }

  mutating func release(_ lock: ObservedLock, by task: Int) {
    guard var holders = held[lock.identity], let index = holders.tasks.firstIndex(of: task) else {
      return
    }
    holders.tasks.remove(at: index)
    held[lock.identity] = holders.tasks.isEmpty ? nil : holders
  }

  func holders(of lock: ObservedLock) -> [Int] { held[lock.identity]?.tasks ?? [] }
}
