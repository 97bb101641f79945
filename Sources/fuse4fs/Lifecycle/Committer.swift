import Ext4
import FuseTransport
import Glibc
import SystemPackage

/// Commits what has changed every few seconds, so that a crash loses no more than that; and before, when a commit is wanted.
///
/// Sync(2) and syncfs(2) of the kernels of today end at the kernel's own cache: they write it back, and the daemon learns of
/// nothing but the data. So a commit follows soon after such data has ceased to come.
final class Committer: @unchecked Sendable {
  /// Seconds, as the kernel's ext4 has it (commit= in ext4(5)).
  private static let usualInterval = 5

  private let volume: Volume
  private let errorPolicy: RequestErrorPolicy
  private let interval: Int
  private let monitor = Monitor()
  private var isStopped = false
  private var thread: OwnedThread?

  /// Milliseconds without data from the kernel's cache after which no more is expected.
  private static let calm = 100

  /// `interval` is in seconds; nil or 0 is the usual one.
  init(volume: Volume, errorPolicy: RequestErrorPolicy, interval: Int?) {
    self.volume = volume
    self.errorPolicy = errorPolicy
    self.interval = interval.flatMap { $0 > 0 ? $0 : nil } ?? Self.usualInterval
    volume.whenCommitIsWanted { [weak self] in self?.monitor.withLock { self?.monitor.wake() } }
  }

  /// False when the system allows no more threads.
  func start() -> Bool {
    thread = OwnedThread {
      while let occasion = self.nextOccasion() { self.commit(on: occasion) }
    }
    return thread != nil
  }

  func stop() {
    monitor.withLock {
      isStopped = true
      monitor.wake()
    }
    thread?.join()
    thread = nil
  }

  private enum Occasion {
    /// The interval is over, or the transaction is large.
    case commit
    /// Data has come from the kernel's cache, and now no more comes.
    case calm
  }

  /// Nil when it is time to end.
  private func nextOccasion() -> Occasion? {
    let deadline = Monitor.deadline(inMilliseconds: interval * 1000)
    return monitor.withLock {
      while !isStopped {
        switch volume.reasonToCommit {
        case .size: return .commit
        case .writeback: return isCalm() ? .calm : .commit
        case nil: guard monitor.wait(until: deadline) else { return isStopped ? nil : .commit }
        }
      }
      return nil
    }
  }

  /// Waits until no more data comes from the kernel's cache. False when a commit cannot wait for that. Lock held.
  private func isCalm() -> Bool {
    let start = Monitor.now
    while !isStopped {
      let count = volume.writebackCount
      let deadline = Monitor.deadline(inMilliseconds: Self.calm)
      while !isStopped, monitor.wait(until: deadline) {
        if volume.reasonToCommit == .size { return false }
      }
      if volume.writebackCount == count { return true }
      if Monitor.now - start > interval * 1000 { return false }
    }
    return false
  }

  private func commit(on occasion: Occasion) {
    do throws(Ext4Error) {
      switch occasion {
      case .commit: try volume.commitInBackground()
      case .calm: try volume.commitWriteback()
      }
    } catch {
      errorPolicy.record(error)
    }
    errorPolicy.reportDamage()
  }
}
