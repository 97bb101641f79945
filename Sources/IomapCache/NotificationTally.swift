import Synchronization
import SystemPackage

/// Counts, from any thread, without a lock and without allocating.
struct NotificationTally: ~Copyable, Sendable {
  /// Linux has no errno above 133 that reaches a process; whatever is, is counted as 0.
  private static let errnos = 134

  private let sent = Atomic<UInt64>(0)
  private let failures: InlineArray<134, Atomic<UInt64>>

  init() {
    failures = InlineArray { _ in Atomic<UInt64>(0) }
  }

  /// Counts what `attempt` does: nothing when it returns false, for there was nothing to send.
  func count(_ attempt: () throws(Errno) -> Bool) throws(Errno) {
    do throws(Errno) {
      guard try attempt() else { return }
      sent.wrappingAdd(1, ordering: .relaxed)
    } catch {
      let index = Int(error.rawValue)
      let known = (0..<Self.errnos).contains(index) ? index : 0
      failures[known].wrappingAdd(1, ordering: .relaxed)
      throw error
    }
  }

  var counts: NotificationCounts {
    var counts = NotificationCounts(sent: sent.load(ordering: .relaxed))
    for index in 0..<Self.errnos {
      let failed = failures[index].load(ordering: .relaxed)
      if failed > 0 { counts.failures[Errno(rawValue: CInt(index))] = failed }
    }
    return counts
  }
}
