/// Requests that change mappings: what may differ afterwards, and what must.
extension DeviceLedger {
  /// A file that has just been made has no blocks.
  func created(_ inode: KernelInode, isIndirect: Bool) {
    monitor.withLock {
      var file = FileBlocks(beyond: .hole(atFlush: flushes))
      file.isIndirect = isIndirect
      files[inode.number] = file
    }
  }

  /// A file whose blocks have not been seen yet.
  func appeared(_ inode: KernelInode, isIndirect: Bool) {
    monitor.withLock {
      if files[inode.number] == nil {
        files[inode.number] = FileBlocks(beyond: FileBlocks.Entry(.unknown))
      }
      files[inode.number]?.isIndirect = isIndirect
    }
  }

  /// Blocks that touch [start, end) may become written: an IOEND goes out.
  func conversionBegins(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    let (first, last) = (start / blockSize, (end + blockSize - 1) / blockSize)
    changeFile(inode) { $0.changeBegins(first, last, leaving: .converting, flushes: flushes) }
    change(inode, first, last) { entry in
      if entry.kind == .unwritten { entry.certainty = max(entry.certainty, .converting) }
    }
  }

  /// The IOEND has been answered.
  func conversionEnded(
    _ inode: KernelInode, from start: UInt64, to end: UInt64, isDone: Bool
  ) {
    let (first, last) = (start / blockSize, (end + blockSize - 1) / blockSize)
    changeFile(inode) { $0.changeEnded(first, last, leaving: .converting) }
    // If not done, the server may have failed before or after.
    guard isDone else { return }
    change(inode, first, last) { entry in
      // Blocks that may have moved meanwhile have been written as well, but where?
      guard entry.kind == .unwritten, entry.certainty == .converting else { return }
      entry = FileBlocks.Entry(.written, device: entry.device)
    }
  }

  /// SETATTR(size) or FALLOCATE goes out, and has been answered.
  /// How many flushes had completed when it went out is for `released`.
  @discardableResult
  func layoutChangeBegins(_ inode: KernelInode, from start: UInt64, to end: UInt64) -> UInt64 {
    let (first, last) = layoutBlocks(start, end)
    changeFile(inode) { $0.changeBegins(first, last, leaving: .changing, flushes: flushes) }
    return flushCount
  }

  func layoutChangeEnded(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    let (first, last) = layoutBlocks(start, end)
    changeFile(inode) { $0.changeEnded(first, last, leaving: .changing) }
  }

  private func layoutBlocks(_ start: UInt64, _ end: UInt64) -> (UInt64, UInt64) {
    (start / blockSize, end == .max ? .max : (end + blockSize - 1) / blockSize)
  }

  /// Whole blocks in [start, end) may be freed: SETATTR(size) or FALLOCATE goes out.
  func releaseBegins(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    let first = (start + blockSize - 1) / blockSize
    let last = end == .max ? UInt64.max : end / blockSize
    release(inode, first, last)
  }

  /// A request that frees and takes blocks has been answered: what was shown as the file's while it was under way may have been
  /// from before.
  func releaseEnds(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    release(inode, (start + blockSize - 1) / blockSize, end / blockSize, isFreed: false)
  }

  /// Blocks in [start, end) may be allocated.
  func allocationBegins(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    change(inode, start / blockSize, (end + blockSize - 1) / blockSize) { entry in
      if !entry.hasBlock { entry = FileBlocks.Entry(.unknown) }
    }
    growUnknown(inode, from: start / blockSize, to: (end + blockSize - 1) / blockSize)
  }

  /// The whole blocks in [start, end) are holes now, by a request that went out after `flushes` flushes.
  func released(
    _ inode: KernelInode, from start: UInt64, to end: UInt64, since flushes: UInt64
  ) {
    let first = (start + blockSize - 1) / blockSize
    let last = end == .max ? UInt64.max : end / blockSize
    guard first < last else { return }
    monitor.withLock {
      guard var file = files.removeValue(forKey: inode.number) else { return }
      for block in file.followed(first, last) {
        // Some may have been seen only while the request was on its way.
        if file[block].hasBlock { release(file[block].device, of: inode.number, since: flushes) }
        file[block] = FileBlocks.Entry.hole(atFlush: self.flushes)
      }
      file.epoch += 1
      files[inode.number] = file
    }
  }

  /// `monitor` held. A DEV_INVAL counts from when the request went out that frees the block.
  func release(
    _ place: UInt64, of number: UInt64, since flushes: UInt64, isOver: Bool = true,
    isFreed: Bool = true
  ) {
    var known = self[place]
    guard known.owner == number, !known.isReleased else { return }
    known.isReleased = true
    known.isFreed = isFreed
    if !isOver { known.isInvalidated = false }
    known.releasedAtFlush = flushes
    self[place] = known
  }

  /// The server says that its mappings of [start, end) may differ from now on.
  func invalidated(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    release(inode, start / blockSize, (end - 1) / blockSize + 1, isFreed: false)
  }

  /// The inode is out of the kernel; its blocks go with it if it has no name any more.
  func forgotten(_ number: UInt64, isDead: Bool) {
    monitor.withLock {
      guard var file = files.removeValue(forKey: number) else { return }
      releaseBlocks(number, &file, 0, .max, isFreed: isDead)
      if !isDead { files[number] = file }
    }
  }

  private func release(
    _ inode: KernelInode, _ first: UInt64, _ end: UInt64, isFreed: Bool = true
  ) {
    monitor.withLock {
      guard first < end, var file = files.removeValue(forKey: inode.number) else { return }
      releaseBlocks(inode.number, &file, first, end, isFreed: isFreed)
      file.epoch += 1
      files[inode.number] = file
    }
  }

  /// `monitor` held.
  private func releaseBlocks(
    _ number: UInt64, _ file: inout FileBlocks, _ first: UInt64, _ end: UInt64,
    isFreed: Bool = true
  ) {
    for block in file.followed(first, end) {
      var entry = file[block]
      guard entry.hasBlock else { continue }
      release(entry.device, of: number, since: flushes, isOver: false, isFreed: isFreed)
      entry.certainty = .changing
      file[block] = entry
    }
  }

  private func changeFile(_ inode: KernelInode, _ body: (inout FileBlocks) -> Void) {
    monitor.withLock {
      guard var file = files.removeValue(forKey: inode.number) else { return }
      body(&file)
      files[inode.number] = file
    }
  }

  private func change(
    _ inode: KernelInode, _ first: UInt64, _ end: UInt64,
    _ body: (inout FileBlocks.Entry) -> Void
  ) {
    monitor.withLock {
      guard var file = files.removeValue(forKey: inode.number) else { return }
      for block in file.followed(first, end) {
        var entry = file[block]
        body(&entry)
        file[block] = entry
      }
      files[inode.number] = file
    }
  }

  /// In a file whose end is known to be a hole: not there any more.
  private func growUnknown(_ inode: KernelInode, from first: UInt64, to end: UInt64) {
    monitor.withLock {
      guard var file = files.removeValue(forKey: inode.number) else { return }
      let start = max(first, UInt64(file.entries.count))
      if file.beyond.kind == .hole {
        for block in start..<max(start, min(end, FileBlocks.limit)) {
          file[block] = FileBlocks.Entry(.unknown)
        }
      }
      files[inode.number] = file
    }
  }

  /// The blocks of live files that are known for certain, for the comparison with the disk.
  func certainBlocks() -> [UInt64: [(block: UInt64, entry: FileBlocks.Entry)]] {
    monitor.withLock {
      files.mapValues { file in
        file.entries.enumerated().compactMap { index, entry in
          entry.certainty != .certain || entry.kind == .unknown ? nil : (UInt64(index), entry)
        }
      }
    }
  }
}
