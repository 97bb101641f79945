import CLinux
import Glibc
import SystemPackage

/// truncate(2) and fallocate(2), in the order of the kernel (ABI 1.1, 5.8).
extension SimulatedKernel {
  public func truncate(_ node: UInt64, to size: UInt64, handle: OpenFile? = nil) throws(Errno) {
    let inode = try inode(node)
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    try truncateLocked(inode, to: size, handle: handle)
  }

  private func truncateLocked(
    _ inode: KernelInode, to size: UInt64, handle: OpenFile?
  ) throws(Errno) {
    guard !inode.flags.contains(.immutable) else { throw .notPermitted }
    guard inode.usesIomap else {
      _ = try setattr(inode, SetAttributes(size: size, handle: handle?.handle))
      return
    }
    inode.invalidateLock.lockExclusive()
    defer { inode.invalidateLock.unlockExclusive() }
    let now = coarseTime()
    // Times go along only when the size changes.
    let isChange = inode.monitor.withLock { inode.size != size }
    try startSetSize(inode, size)
    var request = SetAttributes(size: size, handle: handle?.handle)
    if isChange {
      request.modificationTime = now
      request.changeTime = now
    }
    let flushes = ledger.layoutChangeBegins(inode, from: size, to: .max)
    defer { ledger.layoutChangeEnded(inode, from: size, to: .max) }
    ledger.releaseBegins(inode, from: size, to: .max)
    inode.changeBegins()
    inode.monitor.withLock { inode.sizeEpoch += 1 }
    let attributes: Attributes
    do throws(Errno) {
      attributes = try setattr(inode, request)
    } catch {
      inode.changeEnded()
      inode.monitor.withLock { inode.sizeEpoch += 1 }
      throw error
    }
    rules.check(
      .i17, attributes.size == size,
      "SETATTR of node \(inode.node) to size \(size) answers \(attributes.size)")
    ledger.released(inode, from: size, to: .max, since: flushes)
    inode.changeEnded()
    finishSetSize(inode, attributes.size)
    inode.monitor.withLock {
      inode.expectedDiskSize = size
      if isChange {
        inode.times.modification = now
        inode.times.change = now
      }
    }
  }

  /// Drains, zeroes what would show, trims the page cache, writes everything back.
  private func startSetSize(_ inode: KernelInode, _ size: UInt64) throws(Errno) {
    waitForDirectIO(inode)
    let old = inode.monitor.withLock { inode.size }
    if size > old {
      try zeroRange(inode, from: old, to: size)
    } else {
      // Only the rest of the block that stays.
      try zeroRange(inode, from: size, to: roundUp(size, blockSize))
    }
    inode.monitor.withLock {
      if size > inode.size { inode.raiseSize(to: size, pageSize: pageSize) }
      inode.size = size
    }
    truncatePages(inode, from: size, to: .max)
    try writeBackAll(inode)
  }

  private func finishSetSize(_ inode: KernelInode, _ size: UInt64) {
    inode.monitor.withLock {
      inode.sizeEpoch += 1
      inode.diskSize = size
      // Completions of what was written back before may have raised it again.
      inode.size = size
      inode.dropMappings(
        from: roundDown(size, blockSize), to: roundUp(session.maximumBytes, blockSize),
        maximum: session.maximumBytes)
    }
  }

  // MARK: fallocate

  /// `mode` is made of FALLOC_FL_*. What the kernel refuses itself is EOPNOTSUPP.
  public func fallocate(
    _ file: OpenFile, mode: UInt32, at offset: UInt64, length: UInt64
  ) throws(Errno) {
    let inode = file.inode
    let (keep, punch, zero) = (UInt32(1), UInt32(2), UInt32(16))
    guard mode & ~(keep | punch | zero) == 0 else { throw .unsupported }
    guard mode & punch == 0 || mode & (keep | zero) == keep else { throw .unsupported }
    guard length > 0 else { throw .invalidArgument }
    guard !monitor.withLock({ session.hasNoFallocate }) else { throw .unsupported }
    guard offset + length <= session.maximumBytes else { throw .fileTooLarge }
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    guard inode.usesIomap else {
      try sendFallocate(file, mode, offset, length)
      return
    }
    inode.invalidateLock.lockExclusive()
    defer { inode.invalidateLock.unlockExclusive() }
    let end = offset + length
    let isCleared = mode & (punch | zero) != 0
    if isCleared {
      let unit = max(blockSize, pageSize)
      let (start, stop) = (roundDown(offset, unit), roundUp(end, unit))
      try writeBack(inode, from: start, to: stop)
      truncatePages(inode, from: start, to: stop)
    }
    waitForDirectIO(inode)
    let size = inode.monitor.withLock { inode.size }
    let newSize = mode & keep == 0 && end > size ? end : nil
    try modified(inode)
    try tellFallocate(file, mode, offset, length)
    inode.monitor.withLock {
      inode.dropMappings(
        from: roundDown(offset, blockSize), to: roundUp(end, blockSize),
        maximum: session.maximumBytes)
    }
    if isCleared { try zeroEdges(inode, offset, end) }
    if let newSize {
      try startSetSize(inode, newSize)
      finishSetSize(inode, newSize)
    }
    touchTimes(inode)
  }

  /// FALLOCATE itself, and what the server is held to afterwards.
  private func tellFallocate(
    _ file: OpenFile, _ mode: UInt32, _ offset: UInt64, _ length: UInt64
  ) throws(Errno) {
    let inode = file.inode
    let isCleared = mode & 18 != 0
    let flushes = ledger.layoutChangeBegins(inode, from: offset, to: offset + length)
    defer { ledger.layoutChangeEnded(inode, from: offset, to: offset + length) }
    if isCleared { ledger.releaseBegins(inode, from: offset, to: offset + length) }
    if mode & 2 == 0 { ledger.allocationBegins(inode, from: offset, to: offset + length) }
    inode.changeBegins()
    let end = offset + length
    let raises = mode & 1 == 0
    inode.monitor.withLock {
      inode.sizeEpoch += 1
      if raises { inode.pendingEnds.append(end) }
    }
    defer {
      inode.changeEnded()
      inode.monitor.withLock {
        inode.sizeEpoch += 1
        if raises, let index = inode.pendingEnds.firstIndex(of: end) {
          inode.pendingEnds.remove(at: index)
        }
      }
    }
    rules.exercise(.i63)
    try sendFallocate(file, mode, offset, length)
    if mode & 16 != 0 { ledger.releaseEnds(inode, from: offset, to: offset + length) }
    if mode & 2 != 0 {
      ledger.released(inode, from: offset, to: offset + length, since: flushes)
    }
    guard raises else { return }
    inode.monitor.withLock {
      // 4.10: the server sets it, there is no SETATTR, even when the size in core is larger already.
      inode.sizeEpoch += 1
      inode.expectedDiskSize = max(inode.expectedDiskSize, end)
    }
  }

  private func sendFallocate(
    _ file: OpenFile, _ mode: UInt32, _ offset: UInt64, _ length: UInt64
  ) throws(Errno) {
    var payload = MessageWriter(capacity: 32)
    payload.append(file.handle)
    payload.append(offset)
    payload.append(length)
    payload.append(mode)
    payload.append(UInt32(0))
    do throws(Errno) {
      _ = try connection.request(.fallocate, node: file.node, payload.bytes)
    } catch {
      rules.check(.i63, error.rawValue != ENOSYS, "FALLOCATE mode \(mode) answered ENOSYS")
      if error.rawValue == ENOSYS {
        monitor.withLock { session.hasNoFallocate = true }
        throw .unsupported
      }
      throw error
    }
  }

  /// Partial blocks at the edges of a punched range are the kernel's to zero.
  private func zeroEdges(_ inode: KernelInode, _ offset: UInt64, _ end: UInt64) throws(Errno) {
    let size = inode.monitor.withLock { inode.size }
    guard offset < size else { return }
    let stop = min(end, size)
    try zeroRange(inode, from: offset, to: stop)
    if stop >= size, stop % pageSize != 0 {
      try writeBack(inode, from: roundDown(stop, pageSize), to: .max)
    }
  }
}
