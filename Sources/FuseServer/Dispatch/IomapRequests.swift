import FuseProtocol
import FuseTransport
import IomapCache
import SystemPackage

extension Dispatch {
  /// The requests of the iomap extension: ENOSYS where the connection is not in iomap mode.
  func serveIomap(_ request: Request, _ exchange: Exchange) {
    guard connection.usesIomap, let operations = connection.iomap.operations else {
      _ = exchange.send(.noFunction)
      return
    }
    switch request {
    case .iomapConfig(let request): configure(request, operations, exchange)
    case .iomapBegin(let request): begin(request, operations, exchange)
    case .iomapEnd(let request): end(request, operations, exchange)
    case .iomapIOEnd(let request): complete(request, operations, exchange)
    case .freeze(let request):
      acknowledge(exchange) { () throws(Errno) in
        try operations.freeze(unlinked: request.unlinked)
      }
    case .unfreeze: acknowledge(exchange) { () throws(Errno) in try operations.thaw() }
    default:
      operations.shutDown()
      exchange.send(nil)
    }
  }

  private func configure(
    _ request: IomapWire.ConfigRequest, _ operations: any IomapOperations, _ exchange: Exchange
  ) {
    connection.iomap.activate(for: request, operations, channel)
    connection.noteRevision()
    if connection.iomapRevision?.needsSetNoFS == true { forbidReclaim() }
    let reply = operations.configuration(answering: request)
    withUnsafeTemporaryAllocation(byteCount: reply.size, alignment: 8) { bytes in
      reply.encode(into: bytes)
      _ = exchange.send(UnsafeRawBufferPointer(bytes))
    }
    connection.noteSettled()
  }

  private func forbidReclaim() {
    do throws(Errno) {
      // Threads that this one starts inherit it.
      try channel.forbidReclaim()
    } catch {
      Session.log.warning(
        "the kernel does not keep our threads from waiting for this mount: \(error)")
    }
  }

  private func begin(
    _ request: IomapWire.BeginRequest, _ operations: any IomapOperations, _ exchange: Exchange
  ) {
    do throws(Errno) {
      let reply = IomapWire.BeginReply(try operations.begin(exchange.header.node, request))
      reply.withBytes { _ = exchange.send($0) }
    } catch {
      exchange.send(error)
    }
  }

  /// A kernel that tells everything by IOEND is told that this request is not served (ENOSYS), which is no error to it, and
  /// saves a request for every write that makes a file grow.
  private func end(
    _ request: IomapWire.EndRequest, _ operations: any IomapOperations, _ exchange: Exchange
  ) {
    guard connection.iomapRevision == .v6 else {
      _ = exchange.send(.noFunction)
      return
    }
    acknowledge(exchange) { () throws(Errno) in try operations.end(exchange.header.node, request) }
  }

  private func complete(
    _ request: IomapWire.IOEndRequest, _ operations: any IomapOperations, _ exchange: Exchange
  ) {
    let revision = connection.iomapRevision ?? .v7
    do throws(Errno) {
      let size = try operations.complete(exchange.header.node, request)
      withUnsafeTemporaryAllocation(byteCount: revision.ioEndReplySize, alignment: 8) { bytes in
        IomapWire.IOEndReply(newSize: size).encode(into: bytes, for: revision)
        _ = exchange.send(UnsafeRawBufferPointer(bytes))
      }
    } catch {
      exchange.send(error)
    }
  }
}
