import Glibc
import SystemPackage

/// open(2), close(2), fsync(2).
extension SimulatedKernel {
  /// `truncates`: O_TRUNC, which the kernel does by itself in iomap mode.
  public func open(
    _ node: UInt64, truncates: Bool = false, isSynchronous: Bool = false
  ) throws(Errno) -> OpenFile {
    let inode = try inode(node)
    let isFree = inode.monitor.withLock { () -> Bool in
      guard !inode.isEvicting else { return false }
      inode.opens += 1
      return true
    }
    guard isFree else { throw .staleNFSFileHandle }
    do throws(Errno) {
      var payload = MessageWriter()
      payload.append(UInt32(bitPattern: O_RDWR))
      payload.append(UInt32(0))
      let reply = try connection.exchange(.open, node: node, payload.bytes)
      rules.check(.i16, reply.error != ENOSYS || !session.usesIomap, "OPEN answered ENOSYS")
      guard reply.error == 0 || reply.error == ENOSYS else { throw Errno(rawValue: reply.error) }
      let (handle, flags) =
        reply.payload.count >= 16 ? reply.payload.read { ($0.u64(0), $0.u32(8)) } : (0, 2)
      let file = try opened(inode, handle, flags, isSynchronous: isSynchronous, isCounted: true)
      if truncates { try truncate(node, to: 0) }
      return file
    } catch {
      inode.monitor.withLock { inode.opens -= 1 }
      throw error
    }
  }

  /// What OPEN or CREATE answered.
  func opened(
    _ inode: KernelInode, _ handle: UInt64, _ flags: UInt32, isSynchronous: Bool,
    isCounted: Bool = false
  ) throws(Errno) -> OpenFile {
    if session.usesIomap {
      let bad =
        OpenReplyFlags.passthrough | OpenReplyFlags.stream | OpenReplyFlags.nonseekable
      rules.check(
        .i16, flags & OpenReplyFlags.keepCache != 0 && flags & bad == 0,
        "OPEN of node \(inode.node): flags \(hex(flags))")
      if inode.usesIomap && flags & bad != 0 && configuration.revision == .v7 {
        throw .invalidArgument
      }
      if flags & OpenReplyFlags.keepCache == 0 { dropCleanPages(inode, from: 0, to: .max) }
    }
    if !isCounted { inode.monitor.withLock { inode.opens += 1 } }
    return OpenFile(
      inode: inode, handle: handle, replyFlags: flags,
      isSynchronous: isSynchronous || inode.flags.contains(.sync))
  }

  /// Writes the file back, FLUSH, and RELEASE in the background.
  public func close(_ file: OpenFile) throws(Errno) {
    guard file.close() else { return }
    let inode = file.inode
    var result: Errno?
    do throws(Errno) {
      try flush(file)
    } catch {
      result = error
    }
    var payload = MessageWriter()
    payload.append(file.handle)
    payload.append(zeros: 16)
    let node = inode.node
    inode.monitor.withLock { inode.releases += 1 }
    try connection.submitInBackground(.release, node: node, payload.bytes) { [weak self] _ in
      inode.monitor.withLock {
        inode.releases -= 1
        inode.monitor.broadcast()
      }
      self?.monitor.withLock {
        guard let count = self?.quietHandlers[node] else { return }
        self?.quietHandlers[node] = count == 1 ? nil : count - 1
      }
    }
    inode.monitor.withLock {
      inode.opens -= 1
      // v6 keeps no mappings over a close (2.6).
      if configuration.revision == .v6 && inode.cache != nil {
        inode.dropMappings(from: 0, to: .max, maximum: session.maximumBytes)
        rules.exercise(.i51)
      }
    }
    if let result { throw result }
  }

  private func flush(_ file: OpenFile) throws(Errno) {
    let inode = file.inode
    if inode.usesIomap {
      try writeBackAll(inode)
      try flushTimes(inode)
    }
    guard !monitor.withLock({ session.hasNoFlush }) else { return }
    var payload = MessageWriter()
    payload.append(file.handle)
    payload.append(zeros: 16)
    let reply = try connection.exchange(.flush, node: file.node, payload.bytes)
    if reply.error == ENOSYS { monitor.withLock { session.hasNoFlush = true } }
    guard reply.error == 0 || reply.error == ENOSYS else { throw Errno(rawValue: reply.error) }
  }

  public func fsync(_ file: OpenFile, dataOnly: Bool = false) throws(Errno) {
    let inode = file.inode
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    if inode.usesIomap {
      startWriteback(inode, from: 0, to: .max, waits: true)
      waitForPages(inode, from: 0, to: .max)
      let (sequence, error) = inode.monitor.withLock { (inode.errorSequence, inode.lastError) }
      if file.takeErrors(sequence), let error { throw error }
      try flushTimes(inode)
    }
    var payload = MessageWriter()
    payload.append(file.handle)
    payload.append(UInt32(dataOnly ? 1 : 0))
    payload.append(UInt32(0))
    try requireFlush("FSYNC of node \(inode.node)") { () throws(Errno) in
      _ = try connection.request(
        .fsync, node: inode.node, payload.bytes, kind: dataOnly ? "fdatasync" : "fsync")
    }
  }

  /// I-72: between the request and a good reply the device's cache has been flushed.
  func requireFlush(_ what: String, _ body: () throws(Errno) -> Void) throws(Errno) {
    let before = ledger.flushCount
    try body()
    guard monitor.withLock({ session.usesIomap }) else { return }
    rules.check(.i72, ledger.flushCount > before, "\(what): no flush of the device")
  }
}
