import FuseTransport
import Glibc
import Journal
import Synchronization

/// Tells a person at a terminal how far a replay has come, if it takes long.
final class ReplayProgress: Sendable {
  /// Nanoseconds between two lines.
  private static let interval: UInt64 = 2_000_000_000
  private let name: String
  private let isWanted = isatty(STDERR_FILENO) == 1
  private let nextLine: Mutex<UInt64>

  init(_ name: String) {
    self.name = name
    nextLine = Mutex(Clock.now + Self.interval)
  }

  func report(_ progress: JournalRecovery.Progress) {
    guard isWanted, progress.total > 0 else { return }
    let isDue = nextLine.withLock { next in
      guard Clock.now >= next else { return false }
      next = Clock.now + Self.interval
      return true
    }
    guard isDue else { return }
    let percent = min(progress.done, progress.total) * 100 / progress.total
    Console.note(
      "\(progress.isWriting ? "replaying" : "checking") the journal of '\(name)': \(percent) %")
  }
}
