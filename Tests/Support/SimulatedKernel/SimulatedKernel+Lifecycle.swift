import Glibc
import SystemPackage

/// The whole file system: syncfs, freeze, shutdown, unmount (ABI 4.6, 4.7).
extension SimulatedKernel {
  /// Everything dirty goes out, then SYNCFS.
  public func syncfs() throws(Errno) {
    let error = writeBackEverything()
    guard !monitor.withLock({ session.hasNoSyncfs }) else { return }
    var result: Errno? = error
    do throws(Errno) {
      try requireFlush("SYNCFS") { () throws(Errno) in
        let reply = try connection.exchange(
          .syncfs, node: Self.root, [UInt8](repeating: 0, count: 8))
        if session.usesIomap {
          rules.check(.i74, reply.error != ENOSYS, "SYNCFS answered ENOSYS")
        }
        if reply.error == ENOSYS { monitor.withLock { session.hasNoSyncfs = true } }
        guard reply.error == 0 || reply.error == ENOSYS else {
          throw Errno(rawValue: reply.error)
        }
      }
    } catch {
      result = error
    }
    if let result { throw result }
  }

  private func writeBackEverything() -> Errno? {
    let all = monitor.withLock { Array(nodes.values) }
    var result: Errno?
    for inode in all where inode.usesIomap && !inode.monitor.withLock({ inode.isEvicting }) {
      do throws(Errno) {
        try writeBackAll(inode)
        try flushTimes(inode)
      } catch {
        result = error
      }
    }
    return result
  }

  /// FIFREEZE. The caller has stopped its own writers.
  public func freeze() throws(Errno) {
    monitor.withLock { leavesWritebackAlone += 1 }
    do throws(Errno) {
      try syncfs()
      var payload = MessageWriter()
      payload.append(orphanCount)
      try requireFlush("FREEZE_FS") { () throws(Errno) in
        _ = try connection.request(.freeze, node: Self.root, payload.bytes)
      }
    } catch {
      monitor.withLock { leavesWritebackAlone -= 1 }
      throw error.rawValue == ENOSYS ? .unsupported : error
    }
    rules.exercise(.i75)
    ledger.monitor.withLock { ledger.isFrozen = true }
  }

  public func thaw() throws(Errno) {
    ledger.monitor.withLock { ledger.isFrozen = false }
    monitor.withLock { leavesWritebackAlone -= 1 }
    let reply = try connection.exchange(.unfreeze, node: Self.root)
    guard reply.error == 0 || reply.error == ENOSYS else { throw Errno(rawValue: reply.error) }
  }

  /// Inodes that are open and have no name.
  public var orphanCount: UInt64 {
    let all = monitor.withLock { Array(nodes.values) }
    return UInt64(all.filter { inode in inode.monitor.withLock { inode.links == 0 } }.count)
  }

  /// The device has died (SHUTDOWN_FS); the reply is ignored.
  public func shutdown() throws(Errno) {
    monitor.withLock { leavesWritebackAlone += 1 }
    rules.exercise(.i76)
    _ = try connection.exchange(.shutdown, node: Self.root, [UInt8](repeating: 0, count: 8))
    ledger.monitor.withLock { ledger.isShutDown = true }
  }

  /// umount(2): all files have been closed. Returns after the reply to DESTROY.
  public func unmount() throws(Errno) {
    monitor.withLock { leavesWritebackAlone += 1 }
    let usesIomap = monitor.withLock { session.usesIomap }
    if configuration.revision == .v6 || !usesIomap {
      try connection.drainBackground()
      if usesIomap { try? syncfs() }
    } else {
      // Nothing is written: files are clean since they were closed.
      connection.flushBackground()
    }
    monitor.withLock {
      isDestroying = true
      phase = .destroying
    }
    if usesIomap { try destroy() }
    monitor.withLock {
      phase = .over
      monitor.broadcast()
    }
    connection.abort()
  }

  private func destroy() throws(Errno) {
    let before = ledger.flushCount
    let reply = try connection.exchange(.destroy, node: 0, as: .kernel)
    rules.exercise(.i77)
    // Servers that need no INVAL or DEV_INVAL keep these, too.
    rules.exercise(.i50)
    rules.exercise(.i68)
    if reply.error != 0 && reply.error != ENOSYS {
      rules.violate(.i77, "DESTROY answered with errno \(reply.error)")
    }
    // What has been handled may not have been answered yet: that is a matter of moments.
    let deadline = Deadline(milliseconds: 100)
    while connection.outstandingCount > 0 && !deadline.isOver { usleep(1000) }
    rules.check(
      .i77, connection.outstandingCount == 0,
      "DESTROY answered before the rest; \(connection.outstanding)")
    rules.check(.i77, ledger.flushCount > before, "DESTROY: no flush of the device")
    rules.check(
      .i77, ledger.monitor.withLock { ledger.isClosed }, "DESTROY: the device is still open")
    let isClean = (try? oracle.isClean()) ?? false
    rules.check(.i77, isClean, "DESTROY: the superblock is not clean")
  }

  /// The connection breaks: every request fails, no DESTROY.
  public func abort() {
    monitor.withLock {
      phase = .over
      monitor.broadcast()
    }
    connection.abort()
  }
}
