import Glibc
import Journal
import Synchronization

/// A lock that lets readers in together and writers alone.
final class ReadWriteLock: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>
  private let device: BlockDevice
  private let role: ObservedLock.Role
  private let prefersWriters: Bool

  /// The device is told before a thread waits. `prefersWriters`: a writer that waits keeps new readers out, so that no stream of them keeps it waiting for ever. A reader
  /// must not ask for the lock a second time then.
  init(_ role: ObservedLock.Role, of device: BlockDevice, prefersWriters: Bool = false) {
    self.role = role
    self.device = device
    self.prefersWriters = prefersWriters
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

  /// `wouldWait` where the calling thread does not want to wait for the lock.
  @inline(__always)
  func withReadLock<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    if let observer = device.lockObserver { willTake(observer, shared: true) }
    if pthread_rwlock_tryrdlock(lock) != 0 {
      if device.waitPolicy.givesUp() { throw .errno(.wouldWait) }
      waitToRead()
    }
    defer { unlock() }
    return try body()
  }

  /// `wouldWait` where the calling thread does not want to wait for the lock.
  @inline(__always)
  func withWriteLock<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    if let observer = device.lockObserver { willTake(observer, shared: false) }
    if pthread_rwlock_trywrlock(lock) != 0 {
      if device.waitPolicy.givesUp() { throw .errno(.wouldWait) }
      waitToWrite()
    }
    defer { unlock() }
    return try body()
  }

  /// The same, and the thread waits in any case.
  func waitForWriteLock<R>(_ body: () -> R) -> R {
    if let observer = device.lockObserver { willTake(observer, shared: false) }
    if pthread_rwlock_trywrlock(lock) != 0 { waitToWrite() }
    defer { unlock() }
    return body()
  }

  @inline(never)
  private func waitToRead() {
    device.willWait()
    device.waits.measure(.lock(role)) { _ = pthread_rwlock_rdlock(lock) }
  }

  @inline(never)
  private func waitToWrite() {
    device.willWait()
    device.waits.measure(.lock(role)) { _ = pthread_rwlock_wrlock(lock) }
  }

  @inline(__always)
  private func unlock() {
    pthread_rwlock_unlock(lock)
    if let observer = device.lockObserver { didRelease(observer) }
  }

  private var observed: ObservedLock {
    ObservedLock(role, identity: UInt(bitPattern: lock), prefersWriters: prefersWriters)
  }

  @inline(never)
  private func willTake(_ observer: any LockObserver, shared: Bool) {
    observer.willTake(observed, shared: shared)
  }

  @inline(never)
  private func didRelease(_ observer: any LockObserver) { observer.didRelease(observed) }
}

/// The lock of everything that libext2fs touches.
final class MetadataLock: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let device: BlockDevice
  private let role: ObservedLock.Role
  private let waiting = Atomic<Int>(0)
  /// How often one that had to wait has got it.
  private let turns = Atomic<Int>(0)

  /// The device is told before a thread waits.
  init(_ role: ObservedLock.Role, of device: BlockDevice) {
    self.role = role
    self.device = device
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
    if let observer = device.lockObserver { willTake(observer) }
    if pthread_mutex_trylock(lock) != 0 { wait() }
    defer { unlock() }
    return try body()
  }

  /// The same, and `wouldWait` where the calling thread does not want to wait for the lock. It is held for microseconds as a rule, for which
  /// another thread would need longer to begin than this one to look again.
  @inline(__always)
  func withLockOrGivingUp<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    if let observer = device.lockObserver { willTake(observer) }
    if pthread_mutex_trylock(lock) != 0 { try waitOrGiveUp() }
    defer { unlock() }
    return try body()
  }

  private static let looks = 200

  @inline(never)
  private func waitOrGiveUp() throws(Ext4Error) {
    if device.waitPolicy.givesUp() {
      for _ in 0..<Self.looks where pthread_mutex_trylock(lock) == 0 { return }
      throw .errno(.wouldWait)
    }
    wait()
  }

  @inline(never)
  private func wait() {
    device.willWait()
    waiting.wrappingAdd(1, ordering: .relaxed)
    device.waits.measure(.lock(role)) { _ = pthread_mutex_lock(lock) }
    waiting.wrappingSubtract(1, ordering: .relaxed)
    turns.wrappingAdd(1, ordering: .relaxed)
  }

  @inline(__always)
  private func unlock() {
    pthread_mutex_unlock(lock)
    if let observer = device.lockObserver { didRelease(observer) }
  }

  private var observed: ObservedLock { ObservedLock(role, identity: UInt(bitPattern: lock)) }

  @inline(never)
  private func willTake(_ observer: any LockObserver) {
    observer.willTake(observed, shared: false)
  }

  @inline(never)
  private func didRelease(_ observer: any LockObserver) { observer.didRelease(observed) }

  private static let patience = 20

  /// Between two steps of something long: the mutex is not fair, and a thread that takes it again at once has it before those that were
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

extension Volume {
  /// To be called before what makes the calling thread wait. `wouldWait` where it does not want to.
  func requireToWait() throws(Ext4Error) {
    if device.waitPolicy.givesUp() { throw .errno(.wouldWait) }
  }
}
