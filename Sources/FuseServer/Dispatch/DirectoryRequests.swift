import FuseProtocol
import FuseTransport
import SystemPackage

extension Dispatch {
  func openDirectory(_ exchange: Exchange) {
    guard !connection.declinesOpendir else {
      _ = exchange.send(.noFunction)
      return
    }
    sendOpen(Reply.Open(handle: 0, flags: [.cacheDirectory, .keepCache]), exchange)
  }

  func releaseDirectory(_ exchange: Exchange) {
    handles.close()
    exchange.send(nil)
  }

  func readDirectory(_ request: Request.Read, _ exchange: Exchange, isPlus: Bool) {
    let (node, thread) = (exchange.header.node, exchange.header.thread)
    listingFreshness.noteRequest(by: thread, in: node)
    if !isPlus { readdirplusPolicy.noteNamesWanted(by: thread, in: node) }
    let memory = exchange.output(Int(request.size))
    var buffer = DirectoryBuffer(
      memory: memory, isPlus: isPlus,
      givesAttributes: isPlus
        && readdirplusPolicy.givesAttributes(to: thread, in: node, from: request.offset),
      revision: connection.iomapRevision)
    do throws(Errno) {
      try operations.readDirectory(node, from: request.offset, into: &buffer)
      if buffer.count == 0, listingFreshness.noteEnd(by: thread, in: node) {
        channel.forgetListing(of: node)
      }
      exchange.send(UnsafeRawBufferPointer(rebasing: memory[..<buffer.count]))
    } catch {
      exchange.send(error)
    }
  }

  /// The kernel will say when it has closed the file or directory.
  func sendOpen(_ reply: Reply.Open, _ exchange: Exchange) {
    handles.open()
    // The caller does not wait for the answer any more: no release will come.
    if !exchange.send(reply) { handles.close() }
  }
}
