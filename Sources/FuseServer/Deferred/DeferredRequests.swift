import FuseProtocol
import FuseTransport
import Glibc
import SystemPackage

/// Requests that must wait for the kernel's own cache: SEEK_DATA and SEEK_HOLE, and FIBMAP.
///
/// The kernel asks where a file's data is, in the file or on the device, without having written its cached pages back, so it must be made to do that first.
/// The writes come as requests of their own; a thread that answers none of those does the waiting.
final class DeferredRequests: @unchecked Sendable {
  private struct State {
    var waiting: [Request] = []
    /// Those of the waiting ones whose callers were interrupted, and go on.
    var interrupted: Set<UInt64> = []
    var isStopped = false
  }

  enum Question {
    case seek(from: UInt64, whence: UInt32)
    case block(at: UInt64, size: UInt32)
  }

  private struct Request {
    let caller: Int32
    let node: NodeID
    let question: Question
    let reply: ReplyRoute
  }

  private let operations: any FileSystemOperations
  private let channel: any KernelChannel
  private let interruptions: Interruptions
  private let statistics: RequestStatistics
  private let monitor = Monitor()
  private var state = State()
  private var thread: OwnedThread?

  init(
    _ operations: any FileSystemOperations, _ channel: any KernelChannel,
    _ interruptions: Interruptions, _ statistics: RequestStatistics
  ) {
    self.statistics = statistics
    self.operations = operations
    self.channel = channel
    self.interruptions = interruptions
  }

  func start() {
    let served = interruptions.add()
    thread = OwnedThread { [self] in
      statistics.enter()
      served.adopt {
        while let request = next(served) { serve(request) }
      }
      interruptions.remove(served)
    }
  }

  func stop() {
    monitor.withLock {
      state.isStopped = true
      monitor.wake()
    }
    thread?.join()
    thread = nil
  }

  /// Takes over a request. False when there is no thread to serve it.
  func takeOver(_ exchange: Exchange, _ question: Question) -> Bool {
    guard thread != nil else { return false }
    let request = Request(
      caller: exchange.header.thread, node: exchange.header.node, question: question,
      reply: exchange.takeReply())
    monitor.withLock {
      state.waiting.append(request)
      monitor.wake()
    }
    return true
  }

  private func next(_ served: ServedRequest) -> Request? {
    monitor.withLock {
      while state.waiting.isEmpty, !state.isStopped { monitor.wait() }
      guard !state.waiting.isEmpty else { return nil }
      let request = state.waiting.removeFirst()
      served.begin(request.reply.unique, caller: request.caller)
      if state.interrupted.remove(request.reply.unique) != nil {
        _ = served.interrupt(request.reply.unique)
      }
      return request
    }
  }

  /// The caller of a request was interrupted. False if the request does not wait here. One whose caller is gone is answered at once, whatever
  /// those before it take.
  func interrupt(_ unique: UInt64) -> Bool {
    let gone = monitor.withLock { () -> Request?? in
      guard let index = state.waiting.firstIndex(where: { $0.reply.unique == unique }) else {
        return .none
      }
      if ServedRequest.goesOn(state.waiting[index].caller) {
        state.interrupted.insert(unique)
        return .some(nil)
      }
      return .some(state.waiting.remove(at: index))
    }
    guard let gone else { return false }
    gone?.reply.send(.interrupted)
    return true
  }

  private func serve(_ request: Request) {
    // Drops clean pages of the file, and writes dirty ones first.
    channel.writeBack(request.node)
    do throws(Errno) {
      switch request.question {
      case .seek(let offset, let whence):
        let position = try operations.seek(
          request.node, from: offset, whence: CInt(bitPattern: whence))
        request.reply.send(Reply.Seek(offset: position))
      case .block(let index, let size):
        let block = try operations.deviceBlock(of: request.node, at: index, size: size)
        request.reply.send(Reply.Block(block: block))
      }
    } catch {
      request.reply.send(error)
    }
  }
}
