import Glibc
import SystemPackage

/// write(2) and stores through the page cache.
extension SimulatedKernel {
  /// Returns how many bytes were written. `appends`: at the end, wherever that is then.
  @discardableResult
  public func write(
    _ file: OpenFile, at position: UInt64, _ bytes: [UInt8], appends: Bool = false
  ) throws(Errno) -> Int {
    let inode = file.inode
    guard inode.usesIomap else { return try writePlainly(file, position, bytes) }
    guard !bytes.isEmpty else { return 0 }
    let start: UInt64
    let written: Int
    do {
      inode.ioLock.lockExclusive()
      defer { inode.ioLock.unlockExclusive() }
      start = appends ? inode.monitor.withLock { inode.size } : position
      try prepareWrite(file, at: start, count: UInt64(bytes.count))
      written = try writePages(inode, start, bytes)
    }
    if file.isSynchronous { try fsync(file, dataOnly: true) }
    return written
  }

  /// generic_write_checks, the gap behind the end, set-id bits, times. The inode lock is held.
  func prepareWrite(_ file: OpenFile, at position: UInt64, count: UInt64) throws(Errno) {
    let inode = file.inode
    guard !inode.flags.contains(.immutable) else { throw .notPermitted }
    guard position < session.maximumBytes else { throw .fileTooLarge }
    if position > inode.monitor.withLock({ inode.size }) {
      waitForDirectIO(inode)
      inode.invalidateLock.lockExclusive()
      defer { inode.invalidateLock.unlockExclusive() }
      let size = inode.monitor.withLock { inode.size }
      if position > size { try zeroRange(inode, from: size, to: position) }
    }
    try modified(inode)
  }

  /// The steps of iomap_file_buffered_write.
  private func writePages(_ inode: KernelInode, _ start: UInt64, _ bytes: [UInt8]) throws(Errno)
    -> Int
  {
    var done = 0
    while done < bytes.count {
      let position = start + UInt64(done)
      let count = UInt64(bytes.count - done)
      do throws(Errno) {
        let mapping = try map(inode, .write, at: position, count: count)
        var step = Step(
          operation: .write, position: position,
          count: min(count, mapping.target.end - position), written: 0, mapping: mapping.target)
        guard mapping.target.type != MappingType.hole else { throw .ioError }
        if mapping.target.type == MappingType.inline {
          try writeInline(inode, mapping, bytes, done, &step)
        } else {
          try writeStep(inode, mapping, bytes, done, &step)
          try end(step, of: inode)
        }
        done += Int(step.written)
      } catch {
        guard done > 0 else { throw error }
        return done
      }
    }
    return done
  }

  /// One mapping's part. Ends early when the mapping turns out to be stale or copying fails.
  private func writeStep(
    _ inode: KernelInode, _ mapping: Mapping, _ bytes: [UInt8], _ done: Int, _ step: inout Step
  ) throws(Errno) {
    let limit =
      chance.happens(configuration.shortCopyProbability)
      ? UInt64(chance.number(0..<Int(step.count))) : step.count
    while step.written < limit {
      let position = step.position + step.written
      let index = position / pageSize
      let stop = min(step.position + limit, (index + 1) * pageSize)
      guard let page = lockPage(inode, index, create: true) else { break }
      defer { unlockPage(inode, page) }
      guard isValid(mapping, inode) else {
        board.add("stale mapping")
        step.isStale = true
        if page.upToDate == 0 { inode.monitor.withLock { inode.pages[index] = nil } }
        return
      }
      let (from, to) = (Int(position - index * pageSize), Int(stop - index * pageSize))
      try prepare(page, inode, mapping.source, from, to)
      let source = done + Int(step.written)
      inode.monitor.withLock {
        bytes.withUnsafeBytes {
          _ = memcpy(page.bytes + from, $0.baseAddress! + source, to - from)
        }
        page.upToDate |= blockMask(from, to)
        page.dirty |= blockMask(from, to)
        if stop > inode.size {
          inode.raiseSize(to: stop, pageSize: pageSize)
          step.hasGrown = true
        }
      }
      markDirty(inode)
      step.written += stop - position
    }
  }

  /// Blocks that [from, to) of a locked page only partly covers are brought in (iomap_write_begin).
  func prepare(
    _ page: Page, _ inode: KernelInode, _ mapping: WireMapping, _ from: Int, _ to: Int
  ) throws(Errno) {
    let block = Int(min(blockSize, pageSize))
    var partial: UInt8 = 0
    if from % block != 0 { partial |= blockMask(from, from + 1) }
    if to % block != 0 { partial |= blockMask(to - 1, to) }
    let missing = partial & ~page.upToDate
    guard missing != 0 else { return }
    let isize = inode.monitor.withLock { inode.size }
    try fill(page, missing, from: mapping, isize: isize)
    inode.monitor.withLock { page.upToDate |= missing }
  }

  // MARK: Stores

  /// A store through a shared mapping; throws EFAULT where a program would get SIGBUS.
  public func store(_ file: OpenFile, at position: UInt64, _ bytes: [UInt8]) throws(Errno) {
    let inode = file.inode
    var done = 0
    while done < bytes.count {
      let current = position + UInt64(done)
      let index = current / pageSize
      let start = Int(current - index * pageSize)
      let count = min(bytes.count - done, Int(pageSize) - start)
      let from = done
      let isStored = inode.monitor.withLock { () -> Bool in
        guard let page = inode.pages[index], page.isWritable else { return false }
        bytes.withUnsafeBytes { _ = memcpy(page.bytes + start, $0.baseAddress! + from, count) }
        return true
      }
      if isStored { done += count } else { try makeWritable(inode, index) }
    }
  }

  /// A store fault: the page comes in, then its blocks are asked for (page_mkwrite).
  private func makeWritable(_ inode: KernelInode, _ index: UInt64) throws(Errno) {
    let start = index * pageSize
    guard inode.monitor.withLock({ inode.size > start }) else { throw .badAddress }
    // Only pages that are whole can be mapped.
    _ = try readPages(inode, start, Int(pageSize))
    touchTimes(inode)
    inode.invalidateLock.lockShared()
    defer { inode.invalidateLock.unlockShared() }
    guard let page = lockPage(inode, index, create: false) else { return }
    defer { unlockPage(inode, page) }
    let size = inode.monitor.withLock { inode.size }
    guard size > start else { throw .badAddress }
    // It may have been dropped in part since it was read: only whole pages are mapped.
    let end = min(size, start + pageSize)
    let needed = blockMask(0, Int(end - start))
    guard inode.monitor.withLock({ page.upToDate & needed == needed }) else { return }
    var position = start
    while position < end {
      let mapping = try map(inode, [.write, .fault], at: position, count: end - position)
      guard mapping.target.type != MappingType.hole else { throw .ioError }
      position = min(end, mapping.target.end)
    }
    inode.monitor.withLock {
      page.dirty |= needed
      page.isWritable = true
    }
    markDirty(inode)
  }
}
