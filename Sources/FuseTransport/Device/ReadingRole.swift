import Glibc
import Synchronization

/// Which thread reads requests from the kernel: one at a time (the pattern of leader and followers).
///
/// Of several threads that wait for requests the kernel wakes one for each, on another processor as a rule, which takes longer
/// than most requests do. So the reader serves what is quickly done itself, and goes on reading. Before it does anything that
/// may take its time, or waits, it passes the role on; the others sleep until then.
///
/// A thread that waits for another request to be served must first pass the role on, or no thread would read that request.
final class ReadingRole: @unchecked Sendable {
  /// 1 while no thread has it.
  private let vacancy = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  /// Threads that wait for it.
  private let candidates = Atomic<Int>(0)

  init() { sem_init(vacancy, 0, 1) }

  deinit {
    sem_destroy(vacancy)
    vacancy.deallocate()
  }

  /// Waits until the calling thread has it. False when `isDone` says so instead, which is asked when a signal comes.
  func take(until isDone: () -> Bool) -> Bool {
    candidates.wrappingAdd(1, ordering: .relaxed)
    defer { candidates.wrappingSubtract(1, ordering: .relaxed) }
    while !isDone() {
      if sem_wait(vacancy) == 0 { return true }
    }
    return false
  }

  /// The reader lets another thread have it.
  func pass() { sem_post(vacancy) }

  /// Whether no thread has it, and none is about to.
  var isVacant: Bool {
    guard candidates.load(ordering: .relaxed) == 0 else { return false }
    var value: CInt = 0
    return sem_getvalue(vacancy, &value) == 0 && value > 0
  }

  /// How many threads wait for it.
  var candidateCount: Int { candidates.load(ordering: .relaxed) }
}
