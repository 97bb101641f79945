import Ext4
import Foundation
import Synchronization

/// A thread that commits, and now and then brings everything home, until it is stopped.
final class Background: Sendable {
  private struct State {
    var isStopped = false
    var failure: (any Error)?
  }

  private let state: Mutex<State>
  private let ended = DispatchSemaphore(value: 0)

  init(_ volume: Volume) {
    state = Mutex(State())
    Thread.detachNewThread { [self] in
      defer { ended.signal() }
      do {
        var round = 0
        while !state.withLock({ $0.isStopped }) {
          round += 1
          try volume.commitInBackground()
          if round % 5 == 0 { try volume.checkpoint() }
          usleep(300)
        }
      } catch {
        state.withLock { $0.failure = error }
      }
    }
  }

  /// Throws what went wrong.
  func stop() throws {
    state.withLock { $0.isStopped = true }
    ended.wait()
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }
}
