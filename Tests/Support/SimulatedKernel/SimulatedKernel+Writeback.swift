import Glibc
import SystemPackage

/// Dirty pages go to the device, without the inode lock (ABI 5.6).
extension SimulatedKernel {
  /// What one pass over a file carries from page to page.
  private struct Pass {
    /// May be used for further pages as long as it is valid; a direct reply always is.
    var mapping: Mapping?
    var run: Run?
  }

  /// Contiguous bytes, in the file and on the device, that become one bio.
  private struct Run {
    var completion: KernelInode.Completion
    var bytes: [UInt8]
    var deviceEnd: UInt64
  }

  private static let longestRun = 1 << 20

  /// Writes everything back and waits; throws the first error that turned up meanwhile.
  func writeBackAll(_ inode: KernelInode) throws(Errno) {
    try writeBack(inode, from: 0, to: .max)
  }

  /// filemap_write_and_wait_range.
  func writeBack(_ inode: KernelInode, from start: UInt64, to end: UInt64) throws(Errno) {
    let before = inode.monitor.withLock { inode.errorSequence }
    startWriteback(inode, from: start, to: end, waits: true)
    waitForPages(inode, from: start, to: end)
    let error = inode.monitor.withLock { inode.errorSequence == before ? nil : inode.lastError }
    if let error { throw error }
  }

  /// One pass of writepages over the dirty pages of a range.
  func startWriteback(_ inode: KernelInode, from start: UInt64, to end: UInt64, waits: Bool) {
    let first = start / pageSize
    let last = end == .max ? UInt64.max : (end + pageSize - 1) / pageSize
    let dirty = inode.monitor.withLock {
      inode.pages.values.filter { $0.dirty != 0 && $0.index >= first && $0.index < last }
        .map(\.index).sorted()
    }
    guard !dirty.isEmpty else { return }
    var pass = Pass()
    for index in dirty {
      guard let page = lockForWriteback(inode, index, waits: waits) else { continue }
      write(page, of: inode, &pass)
      unlockPage(inode, page)
    }
    submit(&pass, inode)
  }

  /// The page, locked, if it still is dirty and not on its way already.
  private func lockForWriteback(_ inode: KernelInode, _ index: UInt64, waits: Bool) -> Page? {
    inode.monitor.withLock { () -> Page? in
      guard let page = lockPageHeld(inode, index, create: false) else { return nil }
      if waits && page.writesInFlight > 0 {
        _ = inode.monitor.wait(until: Deadline(milliseconds: configuration.deadline)) {
          page.writesInFlight == 0
        }
      }
      guard page.dirty != 0, page.writesInFlight == 0 else {
        page.isLocked = false
        inode.monitor.broadcast()
        return nil
      }
      return page
    }
  }

  private func write(_ page: Page, of inode: KernelInode, _ pass: inout Pass) {
    let start = page.index * pageSize
    let block = min(blockSize, pageSize)
    // What is behind the end of the file is not written: zeroed, then left alone.
    let (end, dirty, bytes) = inode.monitor.withLock { () -> (UInt64, UInt8, [UInt8]) in
      let end = min(start + pageSize, inode.size)
      guard end > start else {
        page.dirty = 0
        return (end, 0, [])
      }
      memset(page.bytes + Int(end - start), 0, Int(start + pageSize - end))
      let dirty = page.dirty & blockMask(0, Int(end - start))
      page.dirty = 0
      page.isWritable = false
      // Set before the monitor is released: a thread that waits must see the page either dirty or under writeback.
      page.writesInFlight += 1
      return (end, dirty, Array(UnsafeRawBufferPointer(start: page.bytes, count: Int(pageSize))))
    }
    guard !bytes.isEmpty else { return }
    defer {
      inode.monitor.withLock {
        page.writesInFlight -= 1
        inode.monitor.broadcast()
      }
    }
    var position = start
    while position < end {
      guard dirty & blockMask(Int(position - start), Int(position - start) + 1) != 0 else {
        position += block
        continue
      }
      var stop = position + block
      while stop < end, dirty & blockMask(Int(stop - start), Int(stop - start) + 1) != 0 {
        stop += block
      }
      stop = min(stop, end)
      do throws(Errno) {
        try write(page, inode, bytes, from: position, to: stop, &pass)
      } catch {
        // The rest of the folio is lost (4.3.4).
        discard(inode, from: position, to: start + pageSize, error)
        return
      }
      position = roundUp(stop, block)
    }
  }

  /// A dirty range of one page: to wherever the mappings say.
  private func write(
    _ page: Page, _ inode: KernelInode, _ bytes: [UInt8], from start: UInt64, to end: UInt64,
    _ pass: inout Pass
  ) throws(Errno) {
    var position = start
    while position < end {
      let known = pass.mapping
      let mapping: Mapping
      if let known, known.target.covers(position), isValid(known, inode) {
        mapping = known
      } else {
        mapping = try map(
          inode, .writeback, at: position, count: roundUp(end, blockSize) - position)
        pass.mapping = mapping
      }
      let stop = min(end, mapping.target.end)
      switch mapping.target.type {
      case MappingType.mapped, MappingType.unwritten:
        let place = page.index * pageSize
        let slice = bytes[Int(position - place)..<Int(roundUp(stop, blockSize) - place)]
        add(slice, page, inode, mapping.target, from: position, to: stop, &pass)
      case MappingType.hole:
        rules.violate(
          .i28, "node \(inode.node): WRITEBACK at \(hex(position)) finds a hole, data is lost")
      default: throw .ioError
      }
      position = stop
    }
  }

  private func add(
    _ bytes: ArraySlice<UInt8>, _ page: Page, _ inode: KernelInode, _ mapping: WireMapping,
    from start: UInt64, to end: UInt64, _ pass: inout Pass
  ) {
    let address = mapping.deviceOffset(of: start)
    let isUnwritten = mapping.type == MappingType.unwritten
    inode.monitor.withLock { page.writesInFlight += 1 }
    if var run = pass.run,
      run.completion.offset + run.completion.length == start, run.deviceEnd == address,
      run.completion.isUnwritten == isUnwritten, run.bytes.count < Self.longestRun
    {
      pass.run = nil
      run.completion.length += end - start
      run.completion.pages.append(page)
      run.bytes.append(contentsOf: bytes)
      run.deviceEnd += UInt64(bytes.count)
      pass.run = run
      return
    }
    submit(&pass, inode)
    let completion = KernelInode.Completion(
      offset: start, length: end - start, isUnwritten: isUnwritten, address: address,
      device: mapping.device, error: nil, pages: [page])
    pass.run = Run(
      completion: completion, bytes: Array(bytes), deviceEnd: address + UInt64(bytes.count))
  }

  /// Writes what has been gathered. Its IOEND comes from another thread.
  private func submit(_ pass: inout Pass, _ inode: KernelInode) {
    guard var run = pass.run else { return }
    pass.run = nil
    if !write(run.bytes, at: run.completion.address) { run.completion.error = .ioError }
    complete(run.completion, of: inode)
  }

  /// To the device, unless that is broken.
  func write(_ bytes: [UInt8], at address: UInt64) -> Bool {
    guard !chance.happens(configuration.deviceErrorProbability) else { return false }
    return bytes.withUnsafeBytes {
      ledger.kernelWrites(address, $0)
      return device.write($0, at: address)
    }
  }

  /// A folio that could not be mapped: an IOEND with the error, and the mapping remembers it.
  private func discard(
    _ inode: KernelInode, from start: UInt64, to end: UInt64, _ error: Errno
  ) {
    inode.noteWritebackError(error)
    _ = ioend(
      inode, flags: 0, at: start, written: end - start, error: error, address: Special.nullAddress,
      device: 0)
  }

  // MARK: Threads

  /// Delayed writeback, concurrently with everything.
  static func serveWriteback(of kernel: SimulatedKernel?) {
    while let kernel, kernel.isAlive {
      let victim = kernel.monitor.withLock { () -> KernelInode? in
        guard kernel.leavesWritebackAlone == 0 else { return nil }
        return kernel.dirtyInodes.randomElement()?.value
      }
      if let victim {
        kernel.monitor.withLock { kernel.dirtyInodes[victim.node] = nil }
        let count = victim.monitor.withLock { victim.size / kernel.pageSize + 1 }
        let from = kernel.chance.happens(0.5) ? 0 : UInt64(kernel.chance.number(0..<Int(count)))
        kernel.startWriteback(victim, from: from * kernel.pageSize, to: .max, waits: false)
        let isDirty = victim.monitor.withLock {
          !victim.isEvicting && victim.pages.values.contains { $0.dirty != 0 }
        }
        if isDirty { kernel.markDirty(victim) }
      }
      usleep(kernel.configuration.writebackInterval)
    }
  }

  var isAlive: Bool { monitor.withLock { phase == .running || phase == .destroying } }

  /// Runs the body with no writeback but what is asked for.
  public func withoutWriteback<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
    monitor.withLock { leavesWritebackAlone += 1 }
    defer { monitor.withLock { leavesWritebackAlone -= 1 } }
    return try body()
  }
}
