/// Mappings that the server hands out, compared with those it handed out before.
extension DeviceLedger {
  enum Source: Equatable {
    /// In order with all changes, because the server sends it under the inode's lock (R1).
    case upsert
    /// What `epoch` said when the request went out: worth nothing if anything changed since.
    case reply(epoch: UInt64?)
  }

  /// For a BEGIN that goes out now; nil while requests that change mappings are on their way.
  func epoch(of inode: KernelInode, allocates: Bool) -> UInt64? {
    monitor.withLock {
      if allocates { files[inode.number]?.epoch += 1 }
      guard let file = files[inode.number], file.changes.isEmpty else { return nil }
      return file.epoch
    }
  }

  func observe(
    _ mapping: WireMapping, of inode: KernelInode, _ source: Source,
    session: SimulatedKernel.Session
  ) {
    guard mapping.hasBlocks || mapping.type == MappingType.hole else { return }
    if mapping.hasBlocks {
      let isAligned = mapping.address % blockSize == 0
      let (end, overflow) = mapping.address.addingReportingOverflow(mapping.length)
      let isInside = !overflow && end <= device.size
      rules.check(
        .i25, isAligned && isInside, "inode \(inode.number): \(mapping) is not on the device")
      guard isAligned && isInside else { return }
    }
    monitor.withLock {
      var file = takeFile(inode.number)
      defer { files[inode.number] = file }
      if case .reply(let epoch) = source, epoch != file.epoch || !file.changes.isEmpty {
        mayDiffer(mapping, &file)
        return
      }
      file.epoch += 1
      if mapping.type == MappingType.hole {
        observeHole(mapping, inode, source, &file)
      } else {
        observeBlocks(mapping, inode, source, &file)
      }
    }
  }

  /// A mapping has been handed out, but what else happened meanwhile is not clear.
  private func mayDiffer(_ mapping: WireMapping, _ file: inout FileBlocks) {
    let first = mapping.offset / blockSize
    let end = min((mapping.end - 1) / blockSize + 1, FileBlocks.limit)
    if mapping.hasBlocks && file.beyond.kind == .hole {
      for block in max(
        first, UInt64(file.entries.count))..<max(first, UInt64(file.entries.count), end)
      {
        file[block] = FileBlocks.Entry(.unknown)
      }
    }
    for block in file.followed(first, end) { file[block].certainty = .changing }
  }

  /// Out of the dictionary, so that changing it copies nothing.
  private func takeFile(_ number: UInt64) -> FileBlocks {
    files.removeValue(forKey: number) ?? FileBlocks(beyond: FileBlocks.Entry(.unknown))
  }

  private func observeHole(
    _ mapping: WireMapping, _ inode: KernelInode, _ source: Source, _ file: inout FileBlocks
  ) {
    let first = mapping.offset / blockSize
    let end = (mapping.end - 1) / blockSize + 1
    for block in file.followed(first, end) {
      let entry = file[block]
      // Given up by the request that is changing it, and nothing else will say so.
      if entry.hasBlock && entry.isChanging {
        release(entry.device, of: inode.number, since: flushes)
      }
      if entry.hasBlock && !entry.isChanging {
        violate(.i49, inode, "block \(block) was \(entry.device), is a hole now")
      } else if entry.hasBlock {
        giveUp(entry, file, inode)
      }
      var hole = FileBlocks.Entry.hole(atFlush: flushes)
      hole.certainty = file.certainty(of: block)
      file[block] = hole
    }
    // What is behind is only known when it is not much.
    if file.beyond.kind != .hole && end < UInt64(file.entries.count) + 4096 {
      for block in max(first, UInt64(file.entries.count))..<max(first, end) {
        file[block] = FileBlocks.Entry.hole(atFlush: flushes)
      }
    }
    rules.exercise(.i49)
  }

  /// A request in progress has freed the block, which may have been seen only after it went out.
  private func giveUp(_ entry: FileBlocks.Entry, _ file: FileBlocks, _ inode: KernelInode) {
    release(entry.device, of: inode.number, since: file.flushesBeforeChanges(flushes))
  }

  private func observeBlocks(
    _ mapping: WireMapping, _ inode: KernelInode, _ source: Source, _ file: inout FileBlocks
  ) {
    let first = mapping.offset / blockSize
    let count = mapping.length / blockSize
    let start = mapping.address / blockSize
    let isUnwritten = mapping.type == MappingType.unwritten
    var hasNew = false
    for index in 0..<count {
      let (block, place) = (first + index, start + index)
      guard block < FileBlocks.limit else { break }
      let known = file[block]
      var entry = FileBlocks.Entry(isUnwritten ? .unwritten : .written, device: place)
      if known.kind == .hole && !known.isChanging {
        judgeAllocation(place, block, inode, isUnwritten, source, file.isIndirect)
        if known.seenAtFlush == flushes {
          file.allocatedAtFlush = flushes
          entry.isNew = true
        }
      } else if known.hasBlock && !known.isChanging {
        judgeTransition(from: known, to: entry, block, inode, source)
        entry.isNew = known.isNew
      }
      if known.hasBlock && known.isChanging && known.device != place { giveUp(known, file, inode) }
      if entry.isNew { hasNew = true }
      own(place, block, inode)
      entry.certainty = file.certainty(of: block)
      file[block] = entry
    }
    if hasNew {
      let isDurable = flushes > file.allocatedAtFlush
      rules.check(
        .i30, isDurable || mapping.flags & MappingFlags.dirty != 0,
        "inode \(inode.number): \(mapping) is new and not DIRTY")
    }
  }

  /// A block where a hole was known.
  private func judgeAllocation(
    _ place: UInt64, _ block: UInt64, _ inode: KernelInode, _ isUnwritten: Bool, _ source: Source,
    _ isIndirect: Bool
  ) {
    let known = self[place]
    if isIndirect {
      if !isUnwritten { judgeZeros(place, block, inode) }
    } else {
      rules.check(
        .i28, isUnwritten, "inode \(inode.number): block \(block) was a hole, is MAPPED now")
    }
    if known.isCachedByServer && !(isIndirect && known.owner == 0) {
      rules.violate(
        .i66,
        "block \(place) becomes data of inode \(inode.number), but may be in the device's cache")
    }
    rules.exercise(.i66)
    if known.owner == inode.number && known.isReleased && known.isFreed
      && UInt64(known.fileBlock) == block
      && known.releasedAtFlush == flushes && source == .upsert
    {
      violate(.i47, inode, "UPSERT of block \(block) as it was before it was freed")
    }
  }

  /// I-29: new blocks of a file without unwritten state.
  private func judgeZeros(_ place: UInt64, _ block: UInt64, _ inode: KernelInode) {
    let bytes = device.bytes(at: place * blockSize, count: Int(blockSize))
    rules.check(
      .i29, bytes.allSatisfy { $0 == 0 },
      "inode \(inode.number): new block \(block) at \(place) is not zeroed")
    if self[place].writtenAtFlush == flushes && flushes > 0 {
      rules.violate(.i29, "inode \(inode.number): the zeros of new block \(place) are not flushed")
    }
  }

  private func judgeTransition(
    from known: FileBlocks.Entry, to entry: FileBlocks.Entry, _ block: UInt64,
    _ inode: KernelInode, _ source: Source
  ) {
    rules.exercise(.i49)
    if known.device != entry.device {
      violate(.i49, inode, "block \(block) moved from \(known.device) to \(entry.device)")
    } else if known.kind == .written && entry.kind == .unwritten {
      violate(
        source == .upsert ? .i47 : .i49, inode, "block \(block) was written, is unwritten again")
    } else if known.kind == .unwritten && entry.kind == .written && known.certainty == .certain {
      violate(.i55, inode, "block \(block) became written without an IOEND")
    }
  }

  /// With what was said of the inode before, which alone shows why.
  private func violate(_ rule: Rule, _ inode: KernelInode, _ what: String) {
    rules.violate(rule, "inode \(inode.number): \(what)\(history.take(inode.node))")
  }

  /// Block `place` of the device is block `block` of the file.
  private func own(_ place: UInt64, _ block: UInt64, _ inode: KernelInode) {
    var known = self[place]
    let isSame = known.owner == inode.number && UInt64(known.fileBlock) == block
    if known.owner != 0 && !isSame {
      rules.check(
        .i25, known.isReleased,
        "block \(place) is block \(block) of inode \(inode.number), but belongs to"
          + " \(known.owner) block \(known.fileBlock)")
      if known.isReleased { judgeReuse(known, place, inode) }
    }
    if !isSame || known.isReleased {
      known.owner = inode.number
      known.fileBlock = UInt32(truncatingIfNeeded: block)
      known.isReleased = false
      known.isInvalidated = false
      self[place] = known
    }
  }

  private func judgeReuse(_ known: DeviceBlock, _ place: UInt64, _ inode: KernelInode) {
    let what = "block \(place) of inode \(known.owner) becomes inode \(inode.number)'s"
    rules.check(
      .i66, known.isInvalidated || isUncached, "\(what) without a DEV_INVAL since it was freed")
    rules.check(
      .i67, flushes > known.releasedAtFlush, "\(what) before the freeing transaction is durable")
  }
}
