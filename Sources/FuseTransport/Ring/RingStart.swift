import Glibc

/// How the threads of the rings begin: all of them, or none.
///
/// From the moment on when the kernel is told that requests are to come over io_uring, it keeps them waiting until each queue has an entry. So no thread
/// registers an entry before all have shown that they can.
final class RingStart: @unchecked Sendable {
  private enum Step {
    /// Threads enable their rings.
    case enabling
    /// They register entries.
    case registering
    case givingUp
  }

  private let monitor = Monitor()
  private var step = Step.enabling
  private var expected: Int
  private var failure: RingFailure?
  /// Whether a thread has done the first step.
  private var hasEnabled = false

  init(threadCount: Int) { expected = threadCount }

  /// The calling thread has done the step, or failed to.
  func note(_ failure: RingFailure?) {
    monitor.withLock {
      expected -= 1
      if let failure { self.failure = self.failure ?? failure } else { hasEnabled = true }
      monitor.wake()
    }
  }

  /// Returns when all threads have done the first step, or failed to: whether all have, and the calling one is to register its entries.
  func waitForEnabling() -> Bool {
    monitor.withLock {
      while step == .enabling { monitor.wait() }
      return step == .registering
    }
  }

  /// Lets the threads that have enabled their rings go on, or not. For the thread that has started them, as is what follows.
  func goOn(_ isRegistering: Bool, threadCount: Int) {
    monitor.withLock {
      expected = threadCount
      step = isRegistering ? .registering : .givingUp
      monitor.wake()
    }
  }

  /// Whether a thread has a ring by which the kernel can be told to give up.
  var canGiveUp: Bool { monitor.withLock { hasEnabled } }

  /// Returns when all threads have done the step. The first failure, or nil.
  func waitForAll() -> RingFailure? {
    monitor.withLock {
      while expected > 0 { monitor.wait() }
      return failure
    }
  }
}
