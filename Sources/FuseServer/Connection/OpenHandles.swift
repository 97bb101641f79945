import FuseTransport

/// How many files and directories the kernel has open. At the end of a mount the last of them may still be on their way to being
/// closed, when the request to end it is already there (fuse-iomap ABI 4.7).
final class OpenHandles: @unchecked Sendable {
  private let monitor = Monitor()
  private var count = 0

  func open() { change(by: 1) }
  func close() { change(by: -1) }

  private func change(by difference: Int) {
    monitor.withLock {
      count += difference
      if count <= 0 { monitor.wake() }
    }
  }

  /// Returns when nothing is open; false when that takes longer than `seconds`.
  func waitForNone(seconds: Int) -> Bool {
    let deadline = Monitor.deadline(inMilliseconds: seconds * 1000)
    return monitor.withLock {
      while count > 0 {
        if !monitor.wait(until: deadline) { return count <= 0 }
      }
      return true
    }
  }
}
