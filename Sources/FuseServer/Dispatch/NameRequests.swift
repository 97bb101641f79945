import FuseProtocol
import FuseTransport
import Glibc
import SystemPackage

extension Dispatch {
  func lookup(_ request: Request.Lookup, _ exchange: Exchange) {
    let parent = exchange.header.node
    readdirplusPolicy.noteLookup(by: exchange.header.thread, in: parent)
    do throws(Errno) {
      exchange.send(encoded(try operations.lookup(request.name, in: parent)))
    } catch .noSuchFileOrDirectory {
      exchange.send(Reply.Entry.missing)
    } catch {
      exchange.send(error)
    }
  }

  func forget(_ request: Request.Forget, _ exchange: Exchange) {
    operations.forget(exchange.header.node, count: request.lookups)
    exchange.dropReply()
  }

  func forget(_ request: Request.BatchForget, _ exchange: Exchange) {
    for element in request { operations.forget(NodeID(element.nodeID), count: element.lookups) }
    exchange.dropReply()
  }

  func makeNode(_ request: Request.MakeNode, _ exchange: Exchange) {
    make(exchange) { parent throws(Errno) in
      try operations.makeNode(
        request.name, in: parent, mode: request.mode, device: request.device,
        for: Caller(of: exchange.header, umask: request.umask))
    }
  }

  func makeDirectory(_ request: Request.MakeDirectory, _ exchange: Exchange) {
    make(exchange) { parent throws(Errno) in
      try operations.makeDirectory(
        request.name, in: parent, mode: request.mode,
        for: Caller(of: exchange.header, umask: request.umask))
    }
  }

  func makeSymbolicLink(_ request: Request.MakeSymbolicLink, _ exchange: Exchange) {
    make(exchange) { parent throws(Errno) in
      try operations.makeSymbolicLink(
        request.name, in: parent, to: request.target, for: Caller(of: exchange.header))
    }
  }

  func link(_ request: Request.Link, _ exchange: Exchange) {
    make(exchange) { parent throws(Errno) in
      try operations.link(NodeID(request.nodeID), as: request.name, in: parent)
    }
  }

  func readLink(_ exchange: Exchange) {
    do throws(Errno) {
      let target = try operations.readLink(exchange.header.node)
      target.withUnsafeBytes { bytes in
        // The kernel takes no NUL.
        let end = bytes.firstIndex(of: 0) ?? bytes.count
        _ = exchange.send(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
      }
    } catch {
      exchange.send(error)
    }
  }

  func unlink(_ request: Request.Unlink, _ exchange: Exchange) {
    acknowledge(exchange) { () throws(Errno) in
      defer { noteChange(in: exchange.header.node) }
      try operations.unlink(request.name, in: exchange.header.node)
    }
  }

  func removeDirectory(_ request: Request.Unlink, _ exchange: Exchange) {
    acknowledge(exchange) { () throws(Errno) in
      defer { noteChange(in: exchange.header.node) }
      try operations.removeDirectory(request.name, in: exchange.header.node)
    }
  }

  func rename(_ request: Request.Rename, _ exchange: Exchange) {
    let (parent, newParent) = (exchange.header.node, NodeID(request.newParent))
    acknowledge(exchange) { () throws(Errno) in
      defer {
        noteChange(in: parent)
        noteChange(in: newParent)
      }
      try operations.rename(
        request.name, in: parent, to: request.newName, in: newParent, flags: request.flags,
        for: Caller(of: exchange.header))
    }
  }

  /// Answers with a new name in the directory that the request is about.
  @inline(__always)
  private func make(
    _ exchange: Exchange, _ body: (NodeID) throws(Errno) -> Entry
  ) {
    let parent = exchange.header.node
    answer(exchange) { () throws(Errno) in
      defer { noteChange(in: parent) }
      return encoded(try body(parent))
    }
  }

  func encoded(_ entry: Entry) -> Reply.Entry { entry.encoded(for: connection.iomapRevision) }

  /// To be called before the answer.
  func noteChange(in directory: NodeID) { listingFreshness.noteChange(in: directory) }
}
