import Glibc
import Synchronization

/// Which worker reads requests from the kernel: one at a time, the leader (the pattern of leader and followers).
///
/// Of several threads that wait for requests the kernel wakes one for each, on another processor as a rule, which takes longer
/// than most requests do. So the leader serves what is quickly done itself, and goes on reading. Before it does anything that
/// may take its time, or waits, it passes the leadership on, and the others sleep until then.
///
/// Whoever waits for another request to be served must not be the leader, or nobody would read that request.
final class Leadership: @unchecked Sendable {
  /// 1 while nobody leads.
  private let vacancy = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  /// A writer that the system keeps waiting, since the device is behind, is nobody to read requests.
  private let slowUntil = Atomic<UInt64>(0)
  /// Nanoseconds.
  private static let slowWrite: UInt64 = 1_000_000
  private static let memory: UInt64 = 500_000_000

  init() { sem_init(vacancy, 0, 1) }

  deinit {
    sem_destroy(vacancy)
    vacancy.deallocate()
  }

  /// Waits until the calling thread is the leader. False when `isDone` says so instead, which is asked when a signal comes.
  func take(until isDone: () -> Bool) -> Bool {
    while !isDone() {
      if sem_wait(vacancy) == 0 { return true }
    }
    return false
  }

  /// Whether a write may have to wait, by what those before had to. Times are in nanoseconds of `Attention.now`.
  func writesAreSlow(at now: UInt64) -> Bool { now < slowUntil.load(ordering: .relaxed) }

  func noteWrite(from start: UInt64, to end: UInt64) {
    if end - start > Self.slowWrite { slowUntil.store(end + Self.memory, ordering: .relaxed) }
  }

  /// The leader lets another thread lead.
  func pass() { sem_post(vacancy) }
}
