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
    try dropPrivileges(options)
    try io.withWriteLock { () throws(Ext4Error) in
      try volume.commitGate.withReadLock { () throws(Ext4Error) in
        if hasInlineData.load(ordering: .relaxed) {
          try volume.metadata.withLock { () throws(Ext4Error) in try moveInlineDataToBlocks() }
        }
        switch operation {
        case .allocate(let keepSize):
          try allocate(from: offset, to: end, keepSize: keepSize)
        case .punchHole:
          try punchHole(from: offset, to: end)
        case .zeroRange(let keepSize):
          try zeroRange(from: offset, to: end, keepSize: keepSize)
        }
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
    if !keepSize { try zeroBehindEnd(upTo: end) }
    try volume.metadata.withLock { () throws(Ext4Error) in
      guard flags.contains(.extents) else { throw .errno(.notSupported) }
      try fillHoles(in: blocks(touching: start, end))
      try finishChange(end: keepSize ? 0 : end)
    }
  }

  private func punchHole(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    let size = sizeInBytes.load(ordering: .acquiring)
    guard start < size else { return }
    try zeroEdges(from: start, to: end)
    try volume.metadata.withLock { () throws(Ext4Error) in
      let whole = blocks(within: start, end)
      if !whole.isEmpty {
        try removeBlocks(from: UInt32(whole.lowerBound), to: whole.upperBound)
      }
      try finishChange(end: 0)
    }
  }

  private func zeroRange(from start: UInt64, to end: UInt64, keepSize: Bool) throws(Ext4Error) {
    guard volume.metadata.withLock({ flags.contains(.extents) }) else {
      throw .errno(.notSupported)
    }
    if !keepSize { try zeroBehindEnd(upTo: end) }
    try zeroEdges(from: start, to: end)
    try volume.metadata.withLock { () throws(Ext4Error) in
      // The new blocks are found before the old ones are given up.
      try fillHoles(in: blocks(touching: start, end))
      let whole = blocks(within: start, end)
      if !whole.isEmpty {
        try removeBlocks(from: UInt32(whole.lowerBound), to: whole.upperBound)
        try fillHoles(in: whole)
      }
      try finishChange(end: keepSize ? 0 : end)
    }
  }

  /// Zeroes the parts of blocks at both ends of a range that are in it.
  private func zeroEdges(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    let whole = blocks(within: start, end)
    let wholeStart = whole.lowerBound << volume.blockShift
    let wholeEnd = whole.upperBound << volume.blockShift
    if whole.isEmpty {
      try zeroMapped(from: start, to: end)
    } else {
      try zeroMapped(from: start, to: wholeStart)
      try zeroMapped(from: wholeEnd, to: end)
    }
  }

  /// Takes unwritten blocks for all holes in `range`, or none. Metadata lock held.
  private func fillHoles(in range: Range<UInt64>) throws(Ext4Error) {
    guard range.upperBound <= UInt64(UInt32.max) else { throw .errno(.fileTooLarge) }
    var taken: [Extent] = []
    var recorded = 0
    do throws(Ext4Error) {
      var block = range.lowerBound
      while block < range.upperBound {
        let position = FileOffset(block << volume.blockShift)
        let mapping = try mapping(at: position, metadataHeld: true)
        let end = min(mapping.end.rawValue >> volume.blockShift, range.upperBound)
        if mapping.kind == .hole {
          let new = try takeBlocks(from: UInt32(block), to: end)
          taken += new.map {
            var extent = $0
            extent.isUnwritten = true
            return extent
          }
          guard taken.last!.end == end else { throw .errno(.noSpace) }
        }
        block = end
      }
      for extent in taken {
        try record(extent)
        recorded += 1
      }
    } catch {
      giveBack(Array(taken[recorded...]))
      throw error
    }
  }

  /// Metadata lock held.
  private func finishChange(end: UInt64) throws(Ext4Error) {
    if end > size { size = end }
    volume.noteLargeFile(self)
    foldWriteTime()
    modificationTime = .now
    changeTime = modificationTime
    try store()
  }
}
