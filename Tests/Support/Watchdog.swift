import Foundation
import Synchronization

/// Does something when a time is over, unless it has been called off before.
public final class Watchdog: Sendable {
  private let calledOff = Mutex(false)

  public init(seconds: Int, action: @escaping @Sendable () -> Void) {
    let deadline = DispatchTime.now() + .seconds(seconds)
    DispatchQueue.global().asyncAfter(deadline: deadline) { [weak self] in
      self?.calledOff.withLock { calledOff in
        if !calledOff { action() }
      }
    }
  }

  public func callOff() {
    calledOff.withLock { $0 = true }
  }
}
