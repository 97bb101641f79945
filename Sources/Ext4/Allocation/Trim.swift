import Journal
import SystemPackage

extension Volume {
  /// Has the device forget the free blocks of which `minimumLength` or more follow each other within a block group, in `length` bytes from
  /// `start` on; returns the bytes. Blocks that were freed and whose commit is not durable are left alone.
  ///
  /// EINVAL where the range begins behind the file system or is shorter than a block, or the minimum is longer than a group
  /// (fs/ext4/mballoc.c, `ext4_trim_fs`); EOPNOTSUPP if the device cannot.
  public func trim(start: UInt64, length: UInt64, minimumLength: UInt64) throws(Ext4Error) -> UInt64
  {
    try requireWritable()
    guard let granularity = device.discardGranularity else { throw .errno(.notSupported) }
    let blocksPerGroup = geometry.blocksPerGroup
    let first = start >> blockShift
    guard minimumLength >> blockShift <= blocksPerGroup, first < blockCount,
      length >= UInt64(blockSize)
    else { throw .errno(.invalidArgument) }
    // Deleted files are free from here on.
    try synchronize()
    let minimum = max(minimumLength, granularity) >> blockShift
    let low = max(first, geometry.firstDataBlock)
    let high = first + min(length >> blockShift, blockCount - first)
    guard minimum <= blocksPerGroup, low < high else { return 0 }
    var trimmed: UInt64 = 0
    for group in group(of: BlockNumber(low))...group(of: BlockNumber(high - 1)) {
      try requireCaller()
      let whole = geometry.blocks(of: group)
      let part = whole.clamped(to: low..<high)
      let (token, runs) = try metadata.withLock { () throws(Ext4Error) in
        try beginTrim(of: group, part, part == whole, minimum)
      }
      defer { metadata.withLock { giveBack(token, runs) } }
      do throws(Errno) {
        trimmed += try discard(runs)
      } catch {
        metadata.withLock { trimmedGroups[group] = nil }
        // What is free has come to no harm.
        throw .errno(error)
      }
    }
    return trimmed
  }

  /// What there is to trim in a part of a group: nothing if that has been done. Metadata lock held.
  private func beginTrim(
    of group: UInt32, _ part: Range<UInt64>, _ isWhole: Bool, _ minimum: UInt64
  ) throws(Ext4Error) -> (token: UInt64, runs: [BlockRun]) {
    if let known = trimmedGroups[group], known <= minimum { return (freed.lend([]), []) }
    if isWhole { trimmedGroups[group] = minimum }
    return try borrowFreeRuns(in: part, ofAtLeast: max(minimum, 1))
  }

  /// Returns how many bytes it was.
  private func discard(_ runs: [BlockRun]) throws(Errno) -> UInt64 {
    var count: UInt64 = 0
    for run in runs {
      try device.discard(run.count << blockShift, at: run.first.rawValue << blockShift)
      count += run.count << blockShift
    }
    return count
  }

  /// For `discard`: whether the device has forgotten `runs`, which cannot be allocated yet. A device that cannot discard does no harm.
  func discardFreed(_ runs: [BlockRun]) -> Bool {
    guard !hasShutDown else { return false }
    return (try? discard(runs)) != nil
  }

  /// `run` has become free. Metadata lock held.
  func noteUntrimmed(_ run: BlockRun) {
    guard !trimmedGroups.isEmpty else { return }
    for group in geometry.groups(of: run) {
      trimmedGroups[group] = nil
    }
  }
}
