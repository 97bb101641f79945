import Glibc

/// A lock, and a condition to wait for while holding it.
public final class Monitor: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  public init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  public func withLock<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Wakes all who wait. Lock held.
  public func wake() { pthread_cond_broadcast(condition) }

  /// Wakes one of them. Lock held.
  public func wakeOne() { pthread_cond_signal(condition) }

  /// Returns when another thread calls `wake`, or for no reason. Lock held.
  public func wait() {
    Exchange.threadWillWait()
    pthread_cond_wait(condition, mutex)
  }

  /// A point in time, so far from now.
  public static func deadline(inMilliseconds milliseconds: Int) -> timespec {
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    let nanoseconds = deadline.tv_nsec + milliseconds % 1000 * 1_000_000
    deadline.tv_sec += milliseconds / 1000 + nanoseconds / 1_000_000_000
    deadline.tv_nsec = nanoseconds % 1_000_000_000
    return deadline
  }

  /// Milliseconds since some point in the past.
  public static var now: Int { Int(Clock.now / 1_000_000) }

  /// The same, and false once `deadline` is over. Lock held.
  public func wait(until deadline: timespec) -> Bool {
    Exchange.threadWillWait()
    var deadline = deadline
    return pthread_cond_timedwait(condition, mutex, &deadline) != ETIMEDOUT
  }
}
