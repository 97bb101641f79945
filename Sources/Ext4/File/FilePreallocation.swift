import CExt2FS
import IomapCache
import SystemPackage

extension Inode {
  /// What fallocate(2) is to do with a range.
  public enum RangeOperation: Sendable {
    /// Take blocks for it, so that writing there cannot run out of space.
    case allocate(keepSize: Bool)
    /// Free its blocks; it reads as zeros.
    case punchHole
    /// Make it read as zeros and keep blocks for it.
    case zeroRange(keepSize: Bool)
    /// Take it out of the file, so that what is behind it follows what is before.
    case collapse
    /// Move what is there, and what is behind, by its length, leaving a hole.
    case insert
  }

  /// Carries out `operation` on `length` bytes from `offset` on. EOPNOTSUPP where the file's kind of block map cannot
  /// hold the result; ENOSPC leaves the file as it was, except that a part of a range may be zeroed.
  public func change(
    _ operation: RangeOperation, at offset: UInt64, length: UInt64, options: WriteOptions
  ) throws(Ext4Error) {
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard length > 0 else { throw .errno(.invalidArgument) }
    guard !overflow, end <= volume.maximumFileSize(of: self) else { throw .errno(.fileTooLarge) }
    try volume.requireWritable()
    try volume.metadata.withLock { () throws(Ext4Error) in try requireRangeChangeable(operation) }
    try dropPrivileges(options)
    try io.withWriteLock { () throws(Ext4Error) in
      if hasInlineData.load(ordering: .relaxed) {
        try volume.change { () throws(Ext4Error) in try moveInlineDataToBlocks() }
      }
      switch operation {
      case .allocate(let keepSize):
        try allocate(from: offset, to: end, keepSize: keepSize)
      case .punchHole:
        try punchHole(from: offset, to: end)
      case .zeroRange(let keepSize):
        try zeroRange(from: offset, to: end, keepSize: keepSize)
      case .collapse:
        try collapse(from: offset, to: end)
      case .insert:
        try insertHole(from: offset, to: end)
      }
    }
  }

  /// Blocks that lie wholly, or at least partly, within [`start`, `end`).
  private func blocks(within start: UInt64, _ end: UInt64) -> Range<UInt64> {
    let first = (start + UInt64(volume.blockSize) - 1) >> volume.blockShift
    return first..<max(first, end >> volume.blockShift)
  }

  private func blocks(touching start: UInt64, _ end: UInt64) -> Range<UInt64> {
    start >> volume.blockShift..<(end + UInt64(volume.blockSize) - 1) >> volume.blockShift
  }

  private func allocate(from start: UInt64, to end: UInt64, keepSize: Bool) throws(Ext4Error) {
    if !keepSize {
      try changeEdges { () throws(Ext4Error) in try zeroBehindEnd(upTo: end) }
    }
    try fillHoles(in: blocks(touching: start, end))
    try volume.change { () throws(Ext4Error) in
      keepPreallocation(below: blocks(touching: start, end).upperBound)
      try finishChange(end: keepSize ? 0 : end)
    }
  }

  private func punchHole(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    // Where the kernel moves the data the file may be longer than is known here.
    let size = sizeInBytes.load(ordering: .acquiring)
    guard start < size || isServedByIomap.load(ordering: .relaxed) else { return }
    try zeroEdges(from: start, to: end)
    let whole = blocks(within: start, end)
    try volume.changeInSteps(mayBreakOff: true) { () throws(Ext4Error) in
      let isDone =
        whole.isEmpty
        ? true
        : try removeSomeBlocks(from: UInt32(whole.lowerBound), to: whole.upperBound)
      try finishChange(end: 0)
      return isDone
    }
  }

  private func zeroRange(from start: UInt64, to end: UInt64, keepSize: Bool) throws(Ext4Error) {
    guard volume.metadata.withLock({ flags.contains(.extents) }) else {
      throw .errno(.notSupported)
    }
    if !keepSize {
      try changeEdges { () throws(Ext4Error) in try zeroBehindEnd(upTo: end) }
    }
    try zeroEdges(from: start, to: end)
    // The new blocks are found before the old ones are given up.
    try fillHoles(in: blocks(touching: start, end))
    let whole = blocks(within: start, end)
    if !whole.isEmpty {
      try volume.changeInSteps(mayBreakOff: true) { () throws(Ext4Error) in
        let isDone = try removeSomeBlocks(from: UInt32(whole.lowerBound), to: whole.upperBound)
        try store()
        return isDone
      }
      try fillHoles(in: whole)
    }
    try volume.change { () throws(Ext4Error) in
      keepPreallocation(below: blocks(touching: start, end).upperBound)
      try finishChange(end: keepSize ? 0 : end)
    }
  }

  /// Zeroes the parts of blocks at both ends of a range that are in it. Where the kernel moves the data, it does that.
  private func zeroEdges(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    guard !isServedByIomap.load(ordering: .relaxed) else { return }
    let whole = blocks(within: start, end)
    let wholeStart = whole.lowerBound << volume.blockShift
    let wholeEnd = whole.upperBound << volume.blockShift
    try changeEdges { () throws(Ext4Error) in
      if whole.isEmpty {
        try zeroMapped(from: start, to: end)
      } else {
        try zeroMapped(from: start, to: wholeStart)
        try zeroMapped(from: wholeEnd, to: end)
      }
    }
  }

  /// Takes unwritten blocks for all holes in `range`; none, and ENOSPC, when there is no room for all of them.
  private func fillHoles(in range: Range<UInt64>) throws(Ext4Error) {
    guard range.upperBound <= UInt64(UInt32.max) else { throw .errno(.fileTooLarge) }
    var block = range.lowerBound
    try volume.changeInSteps { () throws(Ext4Error) in
      guard flags.contains(.extents) else { throw .errno(.notSupported) }
      try volume.requireCaller()
      if block == range.lowerBound { try requireRoom(forHolesIn: range) }
      block = try fillSomeHoles(in: block..<range.upperBound)
      try store()
      return block == range.upperBound
    }
  }

  /// Metadata lock held, for all of the following.
  private func requireRoom(forHolesIn range: Range<UInt64>) throws(Ext4Error) {
    var walk = MappingWalk(over: self)
    var missing: UInt64 = 0
    var block = range.lowerBound
    while block < range.upperBound {
      let position = FileOffset(block << volume.blockShift)
      let mapping = try mapping(at: position, metadataHeld: true)
      let passed = try walk.pass(mapping, from: position)
      let end = min(passed.rawValue >> volume.blockShift, range.upperBound)
      if mapping.kind == .hole { missing += end - block }
      block = end
    }
    guard missing == 0 || volume.hasRoom(for: purpose, count: missing) else {
      throw .errno(.noSpace)
    }
  }

  /// Fills as many holes as one step may, and returns where the first of the others may be.
  private func fillSomeHoles(in range: Range<UInt64>) throws(Ext4Error) -> UInt64 {
    var block = range.lowerBound
    var runs = 0
    try requireStorable()
    while block < range.upperBound, runs < Credits.runsPerStep {
      do throws(Ext4Error) {
        (block, runs) = try fillHole(from: block, to: range.upperBound, runs)
      } catch {
        // What has been filled stays; the next step meets the same with nothing behind it.
        guard error.isOfDevice, runs > 0 else { throw error }
        return block
      }
    }
    return block
  }

  /// Fills as much of a hole at `block` as one step may that has filled `runs` runs. Returns where to go on, and how many runs that makes.
  private func fillHole(
    from block: UInt64, to end: UInt64, _ runs: Int
  ) throws(Ext4Error) -> (block: UInt64, runs: Int) {
    let position = FileOffset(block << volume.blockShift)
    let mapping = try mapping(at: position, metadataHeld: true)
    let end = min(mapping.end.rawValue >> volume.blockShift, end)
    guard mapping.kind == .hole else { return (end, runs) }
    let taken = try takeBlocks(from: UInt32(block), to: end, runs: Credits.runsPerStep - runs)
    return (try record(unwritten: taken), runs + taken.count)
  }

  /// Enters blocks that were taken, and returns where they end.
  private func record(unwritten taken: [Extent]) throws(Ext4Error) -> UInt64 {
    var recorded = 0
    do throws(Ext4Error) {
      for var extent in taken {
        extent.isUnwritten = true
        try record(extent)
        recorded += 1
      }
    } catch {
      giveBack(Array(taken[recorded...]))
      if recorded == 0 { volume.noteUndone() }
      throw error
    }
    return taken[taken.count - 1].end
  }

  /// The file has changed, and reaches to `end` at least. The inode is stored.
  func finishChange(end: UInt64) throws(Ext4Error) {
    if end > size { size = end }
    volume.noteLargeFile(self)
    if !isServedByIomap.load(ordering: .relaxed) {
      foldWriteTime()
      modificationTime = .now
      changeTime = modificationTime
    }
    try store()
  }
}
