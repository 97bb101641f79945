import Glibc
import Synchronization

/// A lock that lets readers in together and writers alone.
final class ReadWriteLock: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>
  private let willWait: @Sendable () -> Void

  /// `willWait` is called by those who have to wait for it. `prefersWriters`: a writer that waits keeps new readers out, so that no stream of them keeps it waiting for ever. A reader
  /// must not ask for the lock a second time then.
  init(prefersWriters: Bool = false, willWait: @escaping @Sendable () -> Void) {
    self.willWait = willWait
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_rwlock_t())
    var attributes = pthread_rwlockattr_t()
    pthread_rwlockattr_init(&attributes)
    if prefersWriters {
      pthread_rwlockattr_setkind_np(
        &attributes, Int32(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP))
    }
    pthread_rwlock_init(lock, &attributes)
    pthread_rwlockattr_destroy(&attributes)
  }

  deinit {
    pthread_rwlock_destroy(lock)
    lock.deallocate()
  }

  @inline(__always)
  func withReadLock<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    if pthread_rwlock_tryrdlock(lock) != 0 {
      willWait()
      pthread_rwlock_rdlock(lock)
    }
    defer { pthread_rwlock_unlock(lock) }
    return try body()
  }

  @inline(__always)
  func withWriteLock<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    if pthread_rwlock_trywrlock(lock) != 0 {
      willWait()
      pthread_rwlock_wrlock(lock)
    }
    defer { pthread_rwlock_unlock(lock) }
    return try body()
  }
}

/// The lock of everything that libext2fs touches.
final class MetadataLock: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let waiting = Atomic<Int>(0)
  /// How often one that had to wait has got it.
  private let turns = Atomic<Int>(0)
  private let willWait: @Sendable () -> Void

  /// `willWait` is called by those who have to wait for it.
  init(willWait: @escaping @Sendable () -> Void) {
    self.willWait = willWait
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  @inline(__always)
  func withLock<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    if pthread_mutex_trylock(lock) != 0 {
      willWait()
      waiting.wrappingAdd(1, ordering: .relaxed)
      pthread_mutex_lock(lock)
      waiting.wrappingSubtract(1, ordering: .relaxed)
      turns.wrappingAdd(1, ordering: .relaxed)
    }
    defer { pthread_mutex_unlock(lock) }
    return try body()
  }

  private static let patience = 20

  /// Between two steps of something long: the mutex is not fair, and whoever takes it again at once has it before those that were
  /// woken for it.
  func giveWay() {
    let before = turns.load(ordering: .relaxed)
    for _ in 0..<Self.patience {
      guard waiting.load(ordering: .relaxed) > 0, turns.load(ordering: .relaxed) == before else {
        return
      }
      usleep(50)
    }
  }
}
