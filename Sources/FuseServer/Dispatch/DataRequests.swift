import FuseProtocol
import FuseTransport
import Glibc
import SystemPackage

extension Dispatch {
  /// Requests about the data of files.
  func serveData(_ request: Request, _ exchange: Exchange) {
    switch request {
    case .read(let request): read(request, exchange)
    case .write(let request): write(request, exchange)
    case .open(let request): open(request, exchange)
    case .create(let request): create(request, exchange)
    case .tmpfile(let request): makeTemporaryFile(request, exchange)
    case .flush: flush(exchange)
    case .release: release(exchange)
    case .fsync, .fsyncDirectory: synchronize(exchange.header.node, exchange)
    case .syncFileSystem: synchronize(nil, exchange)
    case .lseek(let request): seek(request, exchange)
    case .bmap(let request): mapBlock(request, exchange)
    case .fallocate(let request): allocate(request, exchange)
    case .copyFileRange(let request), .copyFileRange64(let request): copyRange(request, exchange)
    default: exchange.send(.noFunction)
    }
  }

  private func read(_ request: Request.Read, _ exchange: Exchange) {
    let buffer = exchange.output(Int(request.size))
    do throws(Errno) {
      let count = try operations.read(
        exchange.header.node, into: buffer, at: request.offset, flags: request.readFlags)
      exchange.send(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    } catch {
      exchange.send(error)
    }
  }

  private func write(_ request: Request.Write, _ exchange: Exchange) {
    let node = exchange.header.node
    do throws(Errno) {
      let count = try operations.write(
        node, request.data, at: request.offset, flags: request.writeFlags,
        for: Caller(of: exchange.header))
      if request.writeFlags.contains(.direct), connection.options.workerCount > 1,
        !connection.usesIomap,
        directWrites.takeOver(exchange, node, at: request.offset, count: count)
      {
        return
      }
      exchange.send(Reply.Write(count: UInt32(count)))
    } catch {
      exchange.send(error)
    }
  }

  // MARK: Open files

  /// Opening is declined: lifetimes follow lookups and forgets. A kernel that cannot do without gets an answer, and one that moves data.
  private func open(_ request: Request.Open, _ exchange: Exchange) {
    guard !connection.declinesOpen else {
      _ = exchange.send(.noFunction)
      return
    }
    do throws(Errno) {
      try operations.admitOpening(exchange.header.node, flags: CInt(bitPattern: request.flags))
      try operations.open(exchange.header.node)
      var flags: OpenReplyFlags = .keepCache
      if connection.iomapRevision == nil { flags.insert(.noFlush) }
      sendOpen(Reply.Open(handle: 0, flags: flags), exchange)
    } catch {
      exchange.send(error)
    }
  }

  /// Two requests in one, where opening is one at all.
  private func create(_ request: Request.Create, _ exchange: Exchange) {
    guard connection.iomapRevision != nil else {
      _ = exchange.send(.noFunction)
      return
    }
    let parent = exchange.header.node
    do throws(Errno) {
      defer { noteChange(in: parent) }
      let entry = try operations.makeNode(
        request.name, in: parent, mode: request.mode & 0o7777 | 0o100000, device: 0,
        for: Caller(of: exchange.header, umask: request.umask))
      try operations.open(entry.node)
      sendCreated(entry, exchange)
    } catch {
      exchange.send(error)
    }
  }

  /// Open(2) with O_TMPFILE.
  private func makeTemporaryFile(_ request: Request.Create, _ exchange: Exchange) {
    do throws(Errno) {
      let entry = try operations.makeTemporaryFile(
        in: exchange.header.node, mode: request.mode & 0o7777 | 0o100000,
        for: Caller(of: exchange.header, umask: request.umask))
      sendCreated(entry, exchange)
    } catch {
      exchange.send(error)
    }
  }

  private func sendCreated(_ entry: Entry, _ exchange: Exchange) {
    // Where opening is declined, the kernel does not say either when it has closed a file.
    let isCounted = !connection.declinesOpen
    if isCounted { handles.open() }
    let reply = Reply.Create(
      entry: encoded(entry), open: Reply.Open(handle: 0, flags: .keepCache))
    if !exchange.send(reply), isCounted { handles.close() }
  }

  private func flush(_ exchange: Exchange) {
    guard connection.iomapRevision != nil else {
      _ = exchange.send(.noFunction)
      return
    }
    acknowledge(exchange) { () throws(Errno) in try operations.flush(exchange.header.node) }
  }

  private func release(_ exchange: Exchange) {
    operations.release(exchange.header.node)
    handles.close()
    exchange.send(nil)
  }

  // MARK: Synchronization

  /// `node`: nil for the whole file system.
  private func synchronize(_ node: NodeID?, _ exchange: Exchange) {
    guard !synchronizations.takeOver(exchange, for: node) else { return }
    acknowledge(exchange) { () throws(Errno) in
      try operations.synchronize()
      try operations.finishSynchronization(of: node)
    }
  }

  // MARK: Where data is

  private func seek(_ request: Request.Seek, _ exchange: Exchange) {
    // As a file system answers that does not know where data is: programs take all of the file for data then.
    guard exchange.mayWaitForRequests else {
      _ = exchange.send(.invalidArgument)
      return
    }
    guard !deferred.takeOver(exchange, .seek(from: request.offset, whence: request.whence)) else {
      return
    }
    // With one thread there is no other to receive the writes that must come first; the kernel then treats all of the file as
    // data, which is always true enough.
    exchange.send(.noFunction)
  }

  private func mapBlock(_ request: Request.MapBlock, _ exchange: Exchange) {
    guard exchange.mayWaitForRequests else {
      _ = exchange.send(.resourceBusy)
      return
    }
    let question = DeferredRequests.Question.block(at: request.block, size: request.blockSize)
    guard !deferred.takeOver(exchange, question) else { return }
    // Without a thread to receive what the kernel has cached.
    answer(exchange) { () throws(Errno) in
      Reply.Block(
        block: try operations.deviceBlock(
          of: exchange.header.node, at: request.block, size: request.blockSize))
    }
  }

  private func allocate(_ request: Request.Allocate, _ exchange: Exchange) {
    acknowledge(exchange) { () throws(Errno) in
      try operations.allocate(
        exchange.header.node, at: request.offset, length: request.length,
        mode: CInt(bitPattern: request.mode), for: Caller(of: exchange.header))
    }
  }

  private func copyRange(_ request: Request.CopyFileRange, _ exchange: Exchange) {
    // Where the kernel moves data, it then copies by itself, through its page cache.
    guard !connection.usesIomap else {
      _ = exchange.send(.notSupported)
      return
    }
    do throws(Errno) {
      guard request.flags == 0 else { throw .invalidArgument }
      let count = try operations.copyRange(
        from: exchange.header.node, at: request.offset, to: NodeID(request.targetNodeID),
        at: request.targetOffset, length: Int(min(request.length, Self.longestCopy)),
        for: Caller(of: exchange.header))
      if exchange.header.opcode == .copyFileRange64 {
        exchange.send(Reply.CopyFileRange(count: UInt64(count)))
      } else {
        exchange.send(Reply.Write(count: UInt32(count)))
      }
    } catch {
      exchange.send(error)
    }
  }

  /// MAX_RW_COUNT of include/linux/fs.h for pages of 4 KiB: what the kernel copies at most with the older request.
  private static let longestCopy: UInt64 = 0x7FFF_F000
}
