import Glibc
import SystemPackage

/// IOEND: what the server is told when file data has reached the device (ABI 4.5).
extension SimulatedKernel {
  /// Queues it. As in the kernel, an inode's completions are handled by one thread at a time.
  func complete(_ completion: KernelInode.Completion, of inode: KernelInode) {
    let isFirst = inode.monitor.withLock {
      inode.completions.append(completion)
      defer { inode.isCompletionQueued = true }
      return !inode.isCompletionQueued
    }
    guard isFirst else { return }
    monitor.withLock {
      completionQueue.append(inode)
      monitor.broadcast()
    }
  }

  static func serveCompletions(of kernel: SimulatedKernel?) {
    while let kernel, kernel.isAlive {
      let inode = kernel.monitor.withLock { () -> KernelInode? in
        _ = kernel.monitor.wait(until: Deadline(milliseconds: 100)) {
          !kernel.completionQueue.isEmpty
        }
        return kernel.completionQueue.isEmpty ? nil : kernel.completionQueue.removeFirst()
      }
      if let inode { kernel.handleCompletions(of: inode) }
    }
  }

  private func handleCompletions(of inode: KernelInode) {
    while true {
      let batch = inode.monitor.withLock { () -> [KernelInode.Completion] in
        defer { inode.completions = [] }
        if inode.completions.isEmpty { inode.isCompletionQueued = false }
        return inode.completions
      }
      if batch.isEmpty { return }
      for completion in merged(batch) {
        if chance.happens(configuration.completionDelayProbability) {
          usleep(UInt32(chance.number(0..<max(1, configuration.completionDelay * 1000))))
        }
        finish(completion, of: inode)
      }
    }
  }

  /// In order, and those that continue each other as one (4.5.1).
  private func merged(_ batch: [KernelInode.Completion]) -> [KernelInode.Completion] {
    var result: [KernelInode.Completion] = []
    for next in batch.sorted(by: { $0.offset < $1.offset }) {
      if let last = result.last, last.offset + last.length == next.offset,
        last.address + last.length == next.address, last.isUnwritten == next.isUnwritten,
        last.error == nil, next.error == nil
      {
        result[result.count - 1].length += next.length
        result[result.count - 1].pages += next.pages
      } else {
        result.append(next)
      }
    }
    return result
  }

  private func finish(_ completion: KernelInode.Completion, of inode: KernelInode) {
    var flags = CompletionFlags.writeback
    if completion.isUnwritten { flags |= CompletionFlags.unwritten }
    // Sectors, whatever the description says (ABI 10).
    _ = ioend(
      inode, flags: flags, at: completion.offset, written: completion.length,
      error: completion.error, address: completion.address / 512, device: completion.device)
    // The server's error is dropped; that of the I/O is not.
    if let error = completion.error { inode.noteWritebackError(error) }
    inode.monitor.withLock {
      for page in completion.pages { page.writesInFlight -= 1 }
      inode.monitor.broadcast()
    }
  }

  /// Tells the server if it has to know, and drops the cached range; what the upper layers get.
  func ioend(
    _ inode: KernelInode, flags: UInt32, at position: UInt64, written: UInt64, error: Errno?,
    address: UInt64, device: UInt32
  ) -> Errno? {
    let end = position + written
    var flags = flags
    let state = inode.monitor.withLock { (disk: inode.diskSize, core: inode.size) }
    let known = configuration.revision == .v7 ? state.disk : state.core
    if end > known { flags |= CompletionFlags.append }
    let changes =
      CompletionFlags.shared | CompletionFlags.unwritten | CompletionFlags.append
    let isSent =
      error != nil || flags & CompletionFlags.swapoff != 0 || written > 0 && flags & changes != 0
    var newSize = max(state.disk, end)
    var result = error
    if isSent && !monitor.withLock({ session.hasNoCompletion }) {
      let request = CompletionRequest(
        flags: flags, position: position, written: written, error: error, address: address,
        device: device)
      do throws(Errno) {
        if let size = try send(request, inode) { newSize = size }
      } catch {
        if result == nil { result = error }
      }
    }
    guard result == nil else { return result }
    inode.monitor.withLock {
      inode.diskSize = newSize
      inode.raiseSize(to: end, pageSize: pageSize)
      inode.dropMappings(
        from: roundDown(position, blockSize), to: roundUp(end, blockSize),
        maximum: session.maximumBytes)
    }
    return nil
  }

  struct CompletionRequest {
    var flags: UInt32
    var position: UInt64
    var written: UInt64
    var error: Errno?
    var address: UInt64
    var device: UInt32

    var isAppend: Bool { flags & CompletionFlags.append != 0 && error == nil && written > 0 }
    var isConversion: Bool { flags & CompletionFlags.unwritten != 0 && error == nil }
  }

  /// `struct fuse_iomap_ioend_in` of the revision.
  func encode(_ request: CompletionRequest, _ number: UInt64) -> [UInt8] {
    var payload = MessageWriter(capacity: 48)
    payload.append(request.flags)
    payload.append(-(request.error?.rawValue ?? 0))
    payload.append(number)
    payload.append(request.position)
    payload.append(request.address)
    if configuration.revision == .v7 {
      payload.append(request.written)
      payload.append(request.device)
    } else {
      payload.append(UInt32(truncatingIfNeeded: request.written))
    }
    payload.append(UInt32(0))
    return payload.bytes
  }

  /// Sends IOEND and judges the reply; the size that it says, if the revision says one.
  func send(_ request: CompletionRequest, _ inode: KernelInode) throws(Errno) -> UInt64? {
    let (start, end) = (request.position, request.position + request.written)
    let sizeBefore = inode.monitor.withLock {
      inode.completionHandlers += 1
      inode.changesInFlight += 1
      if request.isAppend {
        inode.sizeEpoch += 1
        inode.pendingEnds.append(end)
      }
      return inode.expectedDiskSize
    }
    if request.isConversion { ledger.conversionBegins(inode, from: start, to: end) }
    let kind = request.flags & CompletionFlags.direct != 0 ? "ioend direct" : "ioend"
    let reply: Reply
    do throws(Errno) {
      reply = try connection.exchange(
        .ioend, node: inode.node, encode(request, inode.number), as: .kernel, kind: kind)
    } catch {
      inode.monitor.withLock { ended(request, inode) }
      throw error
    }
    if request.isConversion {
      ledger.conversionEnded(inode, from: start, to: end, isDone: reply.error == 0)
      rules.exercise(.i55)
    }
    return try judge(reply, to: request, inode, sizeBefore)
  }

  /// `inode.monitor` held.
  private func ended(_ request: CompletionRequest, _ inode: KernelInode) {
    inode.completionHandlers -= 1
    inode.changesInFlight -= 1
    guard request.isAppend else { return }
    inode.sizeEpoch += 1
    let end = request.position + request.written
    if let index = inode.pendingEnds.firstIndex(of: end) { inode.pendingEnds.remove(at: index) }
  }

  private func judge(
    _ reply: Reply, to request: CompletionRequest, _ inode: KernelInode, _ sizeBefore: UInt64
  ) throws(Errno) -> UInt64? {
    let length = configuration.revision == .v7 ? 24 : 16
    rules.check(
      .i54, reply.error != ENOSYS && (reply.error != 0 || reply.length == length),
      "IOEND of node \(inode.node): \(reply.length) bytes, errno \(reply.error)")
    rules.check(
      .i7, reply.error != 0 || reply.length == length,
      "IOEND of node \(inode.node): \(reply.length) bytes for \(configuration.revision)")
    let told: UInt64? = reply.payload.count == 8 ? reply.payload.read { $0.u64(0) } : nil
    inode.monitor.withLock {
      let end = request.position + request.written
      let pending = inode.pendingEnds
      ended(request, inode)
      guard reply.error == 0, request.error == nil else { return }
      // Replies of concurrent requests come in any order.
      let least = request.isAppend ? max(sizeBefore, end) : sizeBefore
      let now = request.isAppend ? max(inode.expectedDiskSize, end) : inode.expectedDiskSize
      let most = max(now, pending.max() ?? 0)
      inode.expectedDiskSize = now
      rules.exercise(.i57)
      if let told, !(least...most).contains(told) {
        rules.violate(
          .i57,
          "IOEND of node \(inode.node), flags \(hex(request.flags)), end \(end): newsize \(told),"
            + " it must be \(least)")
      }
    }
    if request.error != nil { rules.exercise(.i56) }
    if reply.error == ENOSYS { monitor.withLock { session.hasNoCompletion = true } }
    guard reply.error == 0 || reply.error == ENOSYS else { throw Errno(rawValue: reply.error) }
    guard reply.error == 0 else { return nil }
    guard reply.length == length else { throw .ioError }
    return told
  }
}
