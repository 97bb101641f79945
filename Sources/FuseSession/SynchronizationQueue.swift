import Glibc
import SystemPackage

/// FSYNC, FSYNCDIR and SYNCFS, on a thread of their own: they wait for the disk, and must not keep workers from what the kernel
/// needs meanwhile (fuse-iomap ABI 6.7). Those that come while one is under way are all served by the next.
final class SynchronizationQueue: @unchecked Sendable {
  private struct Request {
    let unique: UInt64
    let stamp: RequestStamp
    /// Nil for the whole file system.
    let node: NodeID?
    /// Whose descriptor the answer must go to. Held here, since workers end before the last answers are given.
    let worker: Worker
  }

  private let monitor = Monitor()
  private var waiting: [Request] = []
  private var isStopped = false
  private var thread: OwnedThread?

  func start(_ session: Session) {
    thread = OwnedThread {
      session.statistics.enter()
      while let requests = session.synchronizations.next() {
        session.synchronizations.serve(requests, session)
      }
    }
  }

  /// Returns when all that were taken over have been answered.
  func stop() {
    monitor.withLock {
      isStopped = true
      monitor.wake()
    }
    thread?.join()
    thread = nil
  }

  /// Takes over the request of `worker`. False when there is no thread to serve it.
  func add(_ worker: Worker, for node: NodeID?) -> Bool {
    guard thread != nil else { return false }
    monitor.withLock {
      waiting.append(
        Request(
          unique: worker.header.unique, stamp: worker.stamp, node: node, worker: worker))
      monitor.wake()
    }
    return true
  }

  private func next() -> [Request]? {
    monitor.withLock {
      while waiting.isEmpty, !isStopped { monitor.wait() }
      defer { waiting.removeAll() }
      return waiting.isEmpty ? nil : waiting
    }
  }

  private func serve(_ requests: [Request], _ session: Session) {
    var failure: Errno?
    do throws(Errno) {
      try session.operations.synchronize()
    } catch {
      failure = error
    }
    for request in requests {
      var answer = failure
      do throws(Errno) {
        try session.operations.finishSynchronization(of: request.node)
      } catch {
        answer = answer ?? error
      }
      request.worker.acknowledge(request.unique, request.stamp, answer)
    }
  }
}
