import CFuse3
import Glibc
import Synchronization
import SystemPackage

/// Requests that must wait for the kernel's own cache: SEEK_DATA and SEEK_HOLE.
///
/// The kernel asks where a file's data is without having written its cached pages back, so it must be made to do that first.
/// The writes come as requests of their own; a thread that answers none of those does the waiting.
final class DeferredRequests: @unchecked Sendable {
  private struct State {
    var seeks: [Seek] = []
    var isStopped = false
  }

  private struct Seek {
    let unique: UInt64
    let node: NodeID
    let offset: UInt64
    let whence: UInt32
    /// Whose descriptor the answer must go to. Held here, since workers end before the last answers are given.
    let worker: Worker
  }

  private let monitor = Monitor()
  private var state = State()
  private var thread: OwnedThread?

  func start(_ session: Session) {
    thread = OwnedThread {
      while let seek = session.deferred.next() { session.deferred.serve(seek, session) }
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

  /// Takes over the request of `worker` (struct fuse_lseek_in: fh, offset, whence).
  func add(_ worker: Worker) {
    let payload = worker.payload
    guard payload.count >= 20, thread != nil else { return worker.processInLibrary() }
    let seek = Seek(
      unique: worker.header.unique, node: worker.header.node,
      offset: payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
      whence: payload.loadUnaligned(fromByteOffset: 16, as: UInt32.self),
      worker: worker)
    monitor.withLock {
      state.seeks.append(seek)
      monitor.wake()
    }
  }

  private func next() -> Seek? {
    monitor.withLock {
      while state.seeks.isEmpty, !state.isStopped { monitor.wait() }
      return state.seeks.isEmpty ? nil : state.seeks.removeFirst()
    }
  }

  private func serve(_ seek: Seek, _ session: Session) {
    // Drops clean pages of the file, and writes dirty ones first.
    _ = fuse_lowlevel_notify_inval_inode(session.handle, seek.node.rawValue, 0, 0)
    var reply = ReplyHeader(length: UInt32(ReplyHeader.size), error: 0, unique: seek.unique)
    var position: UInt64 = 0
    do throws(Errno) {
      position = try session.operations.seek(
        seek.node, from: seek.offset, whence: CInt(bitPattern: seek.whence))
      reply.length += 8
    } catch {
      reply.error = -error.rawValue
    }
    let parts = reply.error == 0 ? 2 : 1
    withUnsafeMutableBytes(of: &reply) { head in
      withUnsafeMutableBytes(of: &position) { body in
        var pieces = [
          iovec(iov_base: head.baseAddress, iov_len: head.count),
          iovec(iov_base: body.baseAddress, iov_len: body.count),
        ]
        _ = writev(seek.worker.descriptor, &pieces, CInt(parts))
      }
    }
  }
}
