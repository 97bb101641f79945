import FuseTransport
import Synchronization

/// Whether requests come over io_uring, from the wish to the fact.
final class RingMode: Sendable {
  private struct State {
    /// Gets what is needed, once there is a descriptor; nil before, and where it is not wanted.
    var make: (@Sendable () throws(RingFailure) -> RingTransport)?
    var transport: RingTransport?
    var failure = RingFailure("it was not asked for")
  }

  private let state = Mutex(State())

  /// Nil unless they do, or are about to.
  var transport: RingTransport? { state.withLock { $0.transport } }

  /// What keeps it from being used, where it is not.
  var failure: RingFailure? { state.withLock { $0.transport == nil ? $0.failure : nil } }

  /// It is wanted, and `make` gets what is needed.
  func want(_ make: @escaping @Sendable () throws(RingFailure) -> RingTransport) {
    state.withLock { $0.make = make }
  }

  /// The kernel's first request says whether it offers it. Whether the server takes it.
  func answer(isOffered: Bool, usesIomap: Bool) -> Bool {
    state.withLock { state in
      guard let make = state.make else { return false }
      do throws(RingFailure) {
        // What the kernel asks where it moves data waits for other requests too often, and is rare.
        if usesIomap { throw RingFailure("the kernel moves file data") }
        guard isOffered else {
          throw RingFailure(
            "the kernel does not offer it (/sys/module/fuse/parameters/enable_uring turns it on)")
        }
        state.transport = try make()
        return true
      } catch {
        state.failure = error
        return false
      }
    }
  }

  /// It has turned out not to work.
  func giveUp(_ failure: RingFailure) {
    state.withLock { state in
      state.transport = nil
      state.failure = failure
    }
  }
}
