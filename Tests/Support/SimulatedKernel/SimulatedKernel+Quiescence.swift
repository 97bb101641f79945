import SystemPackage
import TestSupport

/// What must be true when nothing is going on: the disk agrees with what the kernel was told.
extension SimulatedKernel {
  /// Writes everything back, has the server commit, and compares with the disk: I-12, I-15, I-18, I-25,
  /// I-48, I-55, I-57. No other thread may use files meanwhile.
  public func checkAgainstDisk() throws {
    try withoutWriteback {
      do { try syncfs() } catch { throw Failure("syncfs: \(error)") }
      beforeReadingDisk.withLock { $0 }?()
      let inodes = monitor.withLock { nodes.values.filter { $0.usesIomap } }
      let truths = try oracle.inodes(inodes.map(\.number))
      var owners: [UInt64: UInt64] = [:]
      let certain = ledger.certainBlocks()
      var seen: Set<UInt64> = []
      for inode in inodes where seen.insert(inode.number).inserted {
        guard let truth = truths[inode.number] else {
          rules.fail("inode \(inode.number) is in use, but not on disk")
          continue
        }
        compareStatus(inode, truth)
        compareCache(inode, truth)
        compareBlocks(inode, truth, certain[inode.number] ?? [])
        for extent in truth.extents {
          for block in extent.deviceBlock..<(extent.deviceBlock + extent.count) {
            if let other = owners.updateValue(inode.number, forKey: block) {
              rules.violate(
                .i25, "block \(block) belongs to inodes \(other) and \(inode.number)")
            }
          }
        }
      }
    }
  }

  private func compareStatus(_ inode: KernelInode, _ truth: InodeTruth) {
    let state = inode.monitor.withLock {
      (
        size: inode.size, expected: inode.expectedDiskSize, times: inode.times,
        isDirty: inode.areTimesDirty, mode: inode.mode
      )
    }
    let what = "inode \(inode.number)"
    rules.check(
      .i57, truth.size == state.size,
      "\(what): size \(state.size) in core, \(truth.size) on disk after syncfs")
    rules.check(
      .i15, truth.size == state.expected,
      "\(what): the size on disk is \(truth.size), what the replies say \(state.expected)")
    if !state.isDirty {
      let isSame =
        truth.modificationTime == state.times.modification
        && truth.changeTime == state.times.change && truth.accessTime == state.times.access
      rules.check(.i18, isSame, "\(what): times \(state.times), on disk \(truth)")
    }
    rules.check(
      .i19, truth.mode & 0o7777 == state.mode & 0o7777,
      "\(what): mode \(String(state.mode, radix: 8)), on disk \(String(truth.mode, radix: 8))")
    guard oracle.isExt4 else { return }
    let pairs: [(AttributeFlags, UInt32)] = [(.sync, 0x8), (.immutable, 0x10), (.append, 0x20)]
    for (flag, bit) in pairs {
      rules.check(
        .i12, inode.flags.contains(flag) == (truth.flags & bit != 0),
        "\(what): attr flags \(inode.flags.rawValue), on disk \(hex(truth.flags))")
    }
  }

  /// I-48: every record of the read fork.
  private func compareCache(_ inode: KernelInode, _ truth: InodeTruth) {
    let cache = inode.monitor.withLock { inode.cache }
    guard let cache else { return }
    if cache.write != nil {
      rules.violate(.i43, "inode \(inode.number) has a write fork")
    }
    for record in cache.read.records {
      rules.check(
        .i48, agrees(record, with: truth),
        "inode \(inode.number): \(record) is cached, on disk are \(truth.extents.prefix(20))")
    }
  }

  private func agrees(_ record: WireMapping, with truth: InodeTruth) -> Bool {
    let size = oracle.blockSize
    let (first, end) = (record.offset / size, (record.end - 1) / size + 1)
    if record.type == MappingType.hole {
      // Unwritten blocks below it read the same.
      return !truth.extents.contains {
        !$0.isUnwritten && $0.fileBlock < end && $0.fileBlock + $0.count > first
      }
    }
    guard record.hasBlocks else { return false }
    var block = first
    while block < end {
      guard let extent = truth.extent(at: block),
        extent.isUnwritten == (record.type == MappingType.unwritten),
        extent.deviceBlock + (block - extent.fileBlock)
          == record.address / size + (block - first)
      else { return false }
      block = extent.fileBlock + extent.count
    }
    return true
  }

  /// What has been handed out, whether or not it still is cached.
  private func compareBlocks(
    _ inode: KernelInode, _ truth: InodeTruth,
    _ known: [(block: UInt64, entry: FileBlocks.Entry)]
  ) {
    for (block, entry) in known where entry.hasBlock {
      guard let extent = truth.extent(at: block) else {
        rules.violate(
          .i49, "inode \(inode.number): block \(block) was \(entry.device), is a hole on disk")
        continue
      }
      let place = extent.deviceBlock + (block - extent.fileBlock)
      rules.check(
        .i25, place == entry.device,
        "inode \(inode.number): block \(block) is \(place) on disk, was given as \(entry.device)")
      rules.check(
        .i55, extent.isUnwritten == (entry.kind == .unwritten),
        "inode \(inode.number): block \(block) is \(extent.isUnwritten ? "un" : "")written on disk,"
          + " was to be \(entry.kind)")
    }
  }
}
