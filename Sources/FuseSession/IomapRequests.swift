import FuseProtocol
import Glibc
import IomapCache
import SystemPackage

/// The requests of the iomap extension, which libfuse does not know: each is decoded, carried out and answered here.
struct IomapRequests {
  let session: Session
  let operations: any IomapOperations
  let worker: Worker

  /// False when the request is none of these, or the connection is not in iomap mode.
  func serve() -> Bool {
    switch worker.header.opcode {
    case .iomapConfig: configure()
    case .iomapBegin: begin()
    case .iomapEnd: end()
    case .iomapIOEnd: complete()
    case .freeze:
      let unlinked = IomapWire.FreezeRequest(worker.payload)?.unlinked ?? 0
      acknowledge { () throws(Errno) in try operations.freeze(unlinked: unlinked) }
    case .unfreeze:
      acknowledge { () throws(Errno) in try operations.thaw() }
    case .shutdown:
      operations.shutDown()
      worker.reply(UnsafeRawBufferPointer(start: nil, count: 0))
    case .copyFileRange, .copyFileRange64:
      // The kernel then copies by itself, through its page cache.
      worker.reply(.notSupported)
    default:
      return false
    }
    return true
  }

  private func acknowledge(_ body: () throws(Errno) -> Void) {
    do throws(Errno) {
      try body()
      worker.reply(UnsafeRawBufferPointer(start: nil, count: 0))
    } catch {
      worker.reply(error)
    }
  }

  private func configure() {
    guard let request = IomapWire.ConfigRequest(worker.payload) else {
      return worker.reply(.invalidArgument)
    }
    session.configureIomap(for: request, operations)
    let reply = operations.configuration(answering: request)
    withUnsafeTemporaryAllocation(byteCount: reply.size, alignment: 8) { bytes in
      reply.encode(into: bytes)
      worker.reply(UnsafeRawBufferPointer(bytes))
    }
    session.noteConfigured()
  }

  private func begin() {
    guard let request = IomapWire.BeginRequest(worker.payload) else {
      return worker.reply(.invalidArgument)
    }
    do throws(Errno) {
      let reply = IomapWire.BeginReply(try operations.begin(worker.header.node, request))
      reply.withBytes { _ = worker.reply($0) }
    } catch {
      worker.reply(error)
    }
  }

  /// A kernel that tells everything by IOEND is told that this request is not served (ENOSYS), which is no error to it, and
  /// saves a request for every write that makes a file grow.
  private func end() {
    guard session.iomapRevision == .v6 else { return worker.reply(.noFunction) }
    guard let request = IomapWire.EndRequest(worker.payload) else {
      return worker.reply(.invalidArgument)
    }
    acknowledge { () throws(Errno) in try operations.end(worker.header.node, request) }
  }

  private func complete() {
    let revision = session.iomapRevision ?? .v7
    guard let request = IomapWire.IOEndRequest(worker.payload, revision) else {
      return worker.reply(.invalidArgument)
    }
    do throws(Errno) {
      let size = try operations.complete(worker.header.node, request)
      withUnsafeTemporaryAllocation(byteCount: revision.ioEndReplySize, alignment: 8) { bytes in
        IomapWire.IOEndReply(newSize: size).encode(into: bytes, for: revision)
        worker.reply(UnsafeRawBufferPointer(bytes))
      }
    } catch {
      worker.reply(error)
    }
  }
}
