import Glibc

/// A mutex with one condition. What is long (an upcall, I/O) happens outside of it.
final class Monitor: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inline(__always)
  func withLock<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// Within `withLock`: waits for a `broadcast`, or until `deadline` is over, and returns false in that case.
  func wait(until deadline: Deadline) -> Bool {
    var time = deadline.time
    return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
  }

  /// Within `withLock`: until a condition holds; false when it does not before the deadline.
  func wait(until deadline: Deadline, for condition: () -> Bool) -> Bool {
    while !condition() {
      if !wait(until: deadline) { return condition() }
    }
    return true
  }

  func broadcast() { pthread_cond_broadcast(condition) }
}

/// A point on the monotonic clock.
struct Deadline: Sendable {
  let time: timespec

  init(milliseconds: Int) {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let nanoseconds = now.tv_nsec + (milliseconds % 1000) * 1_000_000
    time = timespec(
      tv_sec: now.tv_sec + milliseconds / 1000 + nanoseconds / 1_000_000_000,
      tv_nsec: nanoseconds % 1_000_000_000)
  }

  var isOver: Bool {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return (now.tv_sec, now.tv_nsec) >= (time.tv_sec, time.tv_nsec)
  }
}

/// A reader-writer lock held across upcalls, as i_rwsem and invalidate_lock are. A thread that waits too long reports that and goes on
/// without the lock, so that a test ends with a report and does not hang.
final class SleepingLock: @unchecked Sendable {
  private let monitor = Monitor()
  private var readers = 0
  private var isHeld = false
  private var waitingWriters = 0
  private let name: String
  private let patience: Int
  private let report: @Sendable (String) -> Void

  init(_ name: String, patience: Int, report: @escaping @Sendable (String) -> Void) {
    self.name = name
    self.patience = patience
    self.report = report
  }

  func withShared<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    lockShared()
    defer { unlockShared() }
    return try body()
  }

  func withExclusive<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    lockExclusive()
    defer { unlockExclusive() }
    return try body()
  }

  func lockShared() {
    monitor.withLock {
      let deadline = Deadline(milliseconds: patience)
      if !monitor.wait(until: deadline, for: { !isHeld && waitingWriters == 0 }) {
        report("\(name): no shared lock within \(patience) ms")
      }
      readers += 1
    }
  }

  func unlockShared() {
    monitor.withLock {
      readers -= 1
      monitor.broadcast()
    }
  }

  func lockExclusive() {
    monitor.withLock {
      waitingWriters += 1
      let deadline = Deadline(milliseconds: patience)
      if !monitor.wait(until: deadline, for: { !isHeld && readers == 0 }) {
        report("\(name): no exclusive lock within \(patience) ms")
      }
      waitingWriters -= 1
      isHeld = true
    }
  }

  func unlockExclusive() {
    monitor.withLock {
      isHeld = false
      monitor.broadcast()
    }
  }
}

/// Runs a body on a thread of its own.
func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let box = Unmanaged.passRetained(Box(body))
  let code = pthread_create(
    &thread, nil,
    { argument in
      guard let argument else { return nil }
      Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, box.toOpaque())
  guard code == 0 else {
    box.release()
    return
  }
  pthread_detach(thread)
}
