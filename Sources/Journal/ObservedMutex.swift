import Glibc

/// A value and the lock that it belongs to. The device's observer sees what is done with the lock, and the device is told before a
/// thread waits for it.
final class ObservedMutex<Value: Sendable>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var value: Value
  private let role: ObservedLock.Role
  private let device: BlockDevice

  init(_ value: Value, as role: ObservedLock.Role, of device: BlockDevice) {
    self.value = value
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

  func withLock<R, E>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    device.lockObserver?.willTake(observed, shared: false)
    if pthread_mutex_trylock(lock) != 0 {
      device.willWait()
      device.waits.measure(.lock(role)) { _ = pthread_mutex_lock(lock) }
    }
    defer {
      pthread_mutex_unlock(lock)
      device.lockObserver?.didRelease(observed)
    }
    return try body(&value)
  }

  private var observed: ObservedLock { ObservedLock(role, identity: UInt(bitPattern: lock)) }
}
