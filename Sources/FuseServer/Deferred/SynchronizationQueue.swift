import FuseTransport
import SystemPackage

/// FSYNC, FSYNCDIR and SYNCFS, on a thread of their own: they wait for the disk, and must not keep the other threads from what the kernel
/// needs meanwhile (fuse-iomap ABI 6.7). Those that come while one is under way are all served by the next.
final class SynchronizationQueue: @unchecked Sendable {
  private struct Request {
    /// Nil for the whole file system.
    let node: NodeID?
    let reply: ReplyRoute
  }

  private let operations: any FileSystemOperations
  private let statistics: RequestStatistics
  private let monitor = Monitor()
  private var waiting: [Request] = []
  private var isStopped = false
  private var thread: OwnedThread?

  init(_ operations: any FileSystemOperations, _ statistics: RequestStatistics) {
    self.operations = operations
    self.statistics = statistics
  }

  func start() {
    thread = OwnedThread { [self] in
      statistics.enter()
      while let requests = next() { serve(requests) }
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

  /// Takes over a request; `node`: nil for the whole file system. False when there is no thread to serve it.
  func takeOver(_ exchange: Exchange, for node: NodeID?) -> Bool {
    guard thread != nil else { return false }
    let request = Request(node: node, reply: exchange.takeReply())
    monitor.withLock {
      waiting.append(request)
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

  private func serve(_ requests: [Request]) {
    var failure: Errno?
    do throws(Errno) {
      try operations.synchronize()
    } catch {
      failure = error
    }
    for request in requests {
      var answer = failure
      do throws(Errno) {
        try operations.finishSynchronization(of: request.node)
      } catch {
        answer = answer ?? error
      }
      request.reply.send(answer)
    }
  }
}
