import Glibc
import Synchronization

/// The request that a thread serves, and whether the kernel has said that its caller was interrupted (FUSE_INTERRUPT).
///
/// What is served in loops asks between its steps whether the caller is gone: a killed process stays in the kernel until its request is
/// answered, and keeps the file system from being unmounted.
public final class ServedRequest: @unchecked Sendable {
  /// The request's number; with `mark` once it was interrupted. One word, so that no interruption meets the request that comes next.
  private let state = Atomic<UInt64>(0)
  /// Bit 63: the kernel counts its requests up from 0.
  private static let mark: UInt64 = 1 << 63

  // Of the serving thread alone.
  private var caller: Int32 = 0
  private var nextLook: UInt64 = 0

  private let interruptions: Interruptions
  /// Nanoseconds between looks at a caller that was interrupted and goes on.
  private static let interval: UInt64 = 20_000_000

  init(_ interruptions: Interruptions) { self.interruptions = interruptions }

  /// The calling thread serves this request of the thread `caller` from here on. An interruption that another thread notes at the same time is
  /// not lost (`Interruptions.begin`).
  public func begin(_ unique: UInt64, caller: Int32) {
    self.caller = caller
    nextLook = 0
    state.store(unique, ordering: .sequentiallyConsistent)
  }

  /// Whether it is request `unique` that is served, which is marked then.
  public func interrupt(_ unique: UInt64) -> Bool {
    state.compareExchange(
      expected: unique, desired: unique | Self.mark, ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// Whether the kernel has said that the caller was interrupted.
  var isInterrupted: Bool { state.load(ordering: .relaxed) & Self.mark != 0 }

  /// Whether the request should end. To be asked by the serving thread.
  public var isCallerGone: Bool {
    interruptions.isOver || state.load(ordering: .relaxed) & Self.mark != 0 && look()
  }

  private func look() -> Bool {
    let now = Clock.now
    guard now >= nextLook else { return false }
    guard Self.goesOn(caller) else { return true }
    nextLook = now + Self.interval
    return false
  }

  /// Whether a thread lives and is not about to be killed: other signals break nothing off, as in ext4. A thread that cannot be
  /// seen, as it is another user's or in another namespace, counts as gone.
  public static func goesOn(_ thread: Int32) -> Bool {
    guard let pending = ThreadStatus(of: thread)?.values(of: "SigPnd").first,
      let signals = UInt64(pending, radix: 16)
    else { return false }
    // Every signal that ends a process becomes SIGKILL of all its threads (complete_signal).
    return signals & 1 << UInt64(SIGKILL - 1) == 0
  }

  /// Makes this what the calling thread serves for as long as `body` runs.
  public func adopt(_ body: () -> Void) {
    pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
    body()
    pthread_setspecific(Self.key, nil)
  }

  /// What the calling thread serves.
  public static var current: ServedRequest? {
    pthread_getspecific(key).map { Unmanaged<ServedRequest>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()
}

/// The requests of a session that are being served, for those that interrupt them. Its lock is taken when a thread begins or ends, and for
/// interruptions, never for a request unless there are early interruptions.
public final class Interruptions: Sendable {
  private let served = Mutex<[ServedRequest]>([])
  private let hasEnded = Atomic<Bool>(false)

  /// An interruption of a request that no thread serves: it has been answered, or it has come on another way (io_uring) and is still to be
  /// served.
  private struct Early {
    let unique: UInt64
    /// Nanoseconds (`Clock.now`).
    let time: UInt64
  }

  private let early = Mutex<[Early]>([])
  private let earlyCount = Atomic<Int>(0)
  private let keepsEarly = Atomic<Bool>(false)
  /// For how long an early interruption is kept, in nanoseconds, and how many are.
  private static let memory: UInt64 = 10_000_000_000
  private static let capacity = 64

  public init() {}

  /// The session ends, and with it all requests.
  public func end() { hasEnded.store(true, ordering: .releasing) }

  @inline(__always)
  var isOver: Bool { hasEnded.load(ordering: .relaxed) }

  /// For a thread that will serve requests.
  public func add() -> ServedRequest {
    let request = ServedRequest(self)
    served.withLock { $0.append(request) }
    return request
  }

  public func remove(_ request: ServedRequest) {
    served.withLock { $0.removeAll { $0 === request } }
  }

  /// From here on requests and their interruptions come on different ways.
  func keepEarlyOnes() { keepsEarly.store(true, ordering: .relaxed) }

  /// A thread serves request `unique` from here on, whose interruption may have come before.
  @inline(__always)
  func begin(_ request: ServedRequest, _ unique: UInt64, caller: Int32) {
    request.begin(unique, caller: caller)
    // Either this sees the early interruption, or that sees the request (`interrupt`).
    guard earlyCount.load(ordering: .sequentiallyConsistent) != 0 else { return }
    if takeEarly(unique) { _ = request.interrupt(unique) }
  }

  /// The kernel says that the caller of request `unique` was interrupted. One that has been answered meanwhile is not found.
  public func interrupt(_ unique: UInt64) {
    let keeps = keepsEarly.load(ordering: .relaxed)
    if keeps { noteEarly(unique) }
    let isFound = served.withLock { served in served.contains { $0.interrupt(unique) } }
    if keeps, isFound { _ = takeEarly(unique) }
  }

  private func noteEarly(_ unique: UInt64) {
    let now = Clock.now
    early.withLock { early in
      early.removeAll { now - $0.time > Self.memory }
      if early.count == Self.capacity { early.removeFirst() }
      early.append(Early(unique: unique, time: now))
      earlyCount.store(early.count, ordering: .sequentiallyConsistent)
    }
  }

  private func takeEarly(_ unique: UInt64) -> Bool {
    let now = Clock.now
    return early.withLock { early in
      let isThere = early.contains { $0.unique == unique }
      early.removeAll { $0.unique == unique || now - min(now, $0.time) > Self.memory }
      earlyCount.store(early.count, ordering: .sequentiallyConsistent)
      return isThere
    }
  }
}
