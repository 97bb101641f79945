import Ext4
import Glibc
import SystemPackage

/// Writes changed metadata every few seconds, so that a daemon that is killed loses no more than that.
final class Committer: @unchecked Sendable {
  /// Seconds, as the kernel's ext4 has it (commit= in ext4(5)).
  private static let interval = 5

  private let volume: Volume
  private let incidents: IncidentLog
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isStopped = false
  private var thread: pthread_t?

  init(volume: Volume, incidents: IncidentLog) {
    self.volume = volume
    self.incidents = incidents
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  func start() {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let code = pthread_create(
      &thread, nil,
      { context in
        let committer = Unmanaged<Committer>.fromOpaque(context!).takeRetainedValue()
        while committer.waitForNext() { committer.commit() }
        return nil
      }, context.toOpaque())
    if code == 0 { self.thread = thread } else { context.release() }
  }

  func stop() {
    pthread_mutex_lock(mutex)
    isStopped = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
    if let thread { pthread_join(thread, nil) }
    thread = nil
  }

  /// False when it is time to end.
  private func waitForNext() -> Bool {
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += Self.interval
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isStopped {
      if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
    }
    return !isStopped
  }

  private func commit() {
    do throws(Ext4Error) {
      try volume.commit()
    } catch {
      incidents.record(error, on: volume)
    }
  }
}
