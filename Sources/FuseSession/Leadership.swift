import Glibc

/// Which worker reads requests from the kernel: one at a time, the leader (the pattern of leader and followers).
///
/// Of several threads that wait for requests the kernel wakes one for each, on another processor as a rule, which takes longer
/// than most requests do. So the leader serves what is quickly done itself, and goes on reading. Before it does anything that
/// may take its time, or waits, it passes the leadership on, and the others sleep until then.
///
/// A thread that waits for another request to be served must first pass the leadership on, or no thread would read that request.
final class Leadership: @unchecked Sendable {
  /// 1 while no thread leads.
  private let vacancy = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  /// A write that takes so many nanoseconds while its thread leads may have been kept waiting, since the device is behind.
  private static let slowWrite: UInt64 = 1_000_000
  /// For how many nanoseconds after a slow write the leader passes the leadership on before it writes: twice as many if another slow write
  /// follows within the shortest of these times. One slow write says little, since a busy processor makes writes slow, too, and threads that
  /// write to one image wait for each other.
  private static let shortestMemory: UInt64 = 16_000_000
  private static let longestMemory: UInt64 = 512_000_000
  // Of the leader alone.
  private var slowUntil: UInt64 = 0
  private var memory = shortestMemory

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

  /// Whether a write may have to wait, by what those before had to. To be called by the leader. Times are in nanoseconds of `Attention.now`.
  func writesAreSlow(at now: UInt64) -> Bool { now < slowUntil }

  /// The leader has written, and leads still.
  func noteWrite(from start: UInt64, to end: UInt64) {
    guard end - start > Self.slowWrite else { return }
    let isRepeated = start < slowUntil + Self.shortestMemory
    memory = isRepeated ? min(memory * 2, Self.longestMemory) : Self.shortestMemory
    slowUntil = end + memory
  }

  /// The leader lets another thread lead.
  func pass() { sem_post(vacancy) }
}
