import CFuse3
import FuseProtocol
import Glibc
import Synchronization
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

  private enum Question {
    case seek(from: UInt64, whence: UInt32)
    case block(at: UInt64, size: UInt32)
  }

  private struct Request {
    let unique: UInt64
    let stamp: RequestStamp
    let caller: Int32
    let node: NodeID
    let question: Question
    /// Whose descriptor the answer must go to. Held here, since workers end before the last answers are given.
    let worker: Worker
  }

  private let monitor = Monitor()
  private var state = State()
  private var thread: OwnedThread?

  func start(_ session: Session) {
    let served = session.interruptions.add()
    thread = OwnedThread {
      session.statistics.enter()
      served.adopt {
        while let request = session.deferred.next(served) {
          session.deferred.serve(request, session)
        }
      }
      session.interruptions.remove(served)
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

  /// Takes over the request of `worker`.
  func add(_ worker: Worker) {
    guard thread != nil, let question = Self.question(of: worker) else {
      return worker.processInLibrary()
    }
    let request = Request(
      unique: worker.header.unique, stamp: worker.stamp, caller: worker.header.thread,
      node: worker.header.node, question: question, worker: worker)
    monitor.withLock {
      state.waiting.append(request)
      monitor.wake()
    }
  }

  private static func question(of worker: Worker) -> Question? {
    let payload = worker.payload
    do throws(DecodingError) {
      switch worker.header.opcode {
      case .lseek:
        let seek = try FuseProtocol.Request.Seek(payload, of: .lseek, .layout)
        return .seek(from: seek.offset, whence: seek.whence)
      case .bmap:
        let map = try FuseProtocol.Request.MapBlock(payload, of: .bmap, .layout)
        return .block(at: map.block, size: map.blockSize)
      default: return nil
      }
    } catch {
      return nil
    }
  }

  private func next(_ served: ServedRequest) -> Request? {
    monitor.withLock {
      while state.waiting.isEmpty, !state.isStopped { monitor.wait() }
      guard !state.waiting.isEmpty else { return nil }
      let request = state.waiting.removeFirst()
      served.begin(request.unique, caller: request.caller)
      if state.interrupted.remove(request.unique) != nil { _ = served.interrupt(request.unique) }
      return request
    }
  }

  /// The caller of a request was interrupted. False if the request does not wait here. One whose caller is gone is answered at once, whatever
  /// those before it take.
  func interrupt(_ unique: UInt64) -> Bool {
    let gone = monitor.withLock { () -> Request?? in
      guard let index = state.waiting.firstIndex(where: { $0.unique == unique }) else {
        return .none
      }
      if ServedRequest.goesOn(state.waiting[index].caller) {
        state.interrupted.insert(unique)
        return .some(nil)
      }
      return .some(state.waiting.remove(at: index))
    }
    guard let gone else { return false }
    if let gone { gone.worker.acknowledge(unique, gone.stamp, .interrupted) }
    return true
  }

  private func serve(_ request: Request, _ session: Session) {
    // Drops clean pages of the file, and writes dirty ones first.
    _ = fuse_lowlevel_notify_inval_inode(session.handle, request.node.rawValue, 0, 0)
    let worker = request.worker
    do throws(Errno) {
      switch request.question {
      case .seek(let offset, let whence):
        let position = try session.operations.seek(
          request.node, from: offset, whence: CInt(bitPattern: whence))
        worker.answer(request.unique, request.stamp, with: Reply.Seek(offset: position))
      case .block(let index, let size):
        let block = try session.operations.deviceBlock(of: request.node, at: index, size: size)
        worker.answer(request.unique, request.stamp, with: Reply.Block(block: block))
      }
    } catch {
      worker.acknowledge(request.unique, request.stamp, error)
    }
  }
}
