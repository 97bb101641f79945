import CExt2FS
import IomapCache
import Journal
import SystemPackage

/// Extents that are being moved to other places of their file, in as many steps as it takes.
struct ExtentShift {
  /// In blocks of the file; negative towards its beginning.
  let distance: Int64
  /// Those extents that begin here have not been moved yet. Neither those before it nor those behind it ever get into each other's way.
  private(set) var pending: Range<UInt64>

  /// All that lies from `first` on, to the end of what a file can have.
  init(from first: UInt64, by distance: Int64) {
    self.distance = distance
    pending = first..<UInt64(1) << 32
  }

  /// Extents move in the order in which each finds its new place free.
  func order<S: BidirectionalCollection>(of entries: S) -> [S.Element] {
    distance < 0 ? Array(entries) : entries.reversed()
  }

  mutating func note(_ extent: Extent) {
    if distance < 0 {
      pending = max(pending.lowerBound, min(extent.end, pending.upperBound))..<pending.upperBound
    } else {
      pending = pending.lowerBound..<UInt64(extent.logical)
    }
  }
}

// What fallocate(2) calls collapsing and inserting a range (fs/ext4/extents.c, ext4_collapse_range and ext4_insert_range): the blocks
// stay where they are on the device, and change their places in the file. After each step the file is one that e2fsck finds nothing
// wrong with: at first the range has become a hole, or the file longer; then the hole moves through the file, from its place to
// the end or the other way. `io` held exclusively.
extension Inode {
  /// Takes [`start`, `end`) out of the file: what lies behind moves there, and the file is shorter. EINVAL unless both are multiples of
  /// the block size and the file reaches beyond `end`.
  func collapse(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    try requireShiftable(start, end)
    guard end < sizeInBytes.load(ordering: .acquiring) else { throw .errno(.invalidArgument) }
    let range = start >> volume.blockShift..<end >> volume.blockShift
    var shift = ExtentShift(from: range.upperBound, by: -Int64(range.count))
    var isEmpty = false
    try volume.changeInSteps { () throws(Ext4Error) in
      let limit = volume.changedBlockCount + Credits.removal
      if !isEmpty {
        isEmpty = try removeSomeBlocks(from: UInt32(range.lowerBound), to: range.upperBound)
      }
      let isDone = isEmpty ? try moveSomeExtents(&shift, from: start, until: limit) : false
      if isDone { size -= end - start }
      try finishChange(end: 0)
      return isDone
    }
  }

  /// Makes a hole of `end` - `start` bytes at `start`: what lies there and behind moves back, and the file is longer. EINVAL unless
  /// both are multiples of the block size and `start` is before the end of the file; EFBIG, ENOSPC.
  func insertHole(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    try requireShiftable(start, end)
    let oldSize = sizeInBytes.load(ordering: .acquiring)
    guard start < oldSize else { throw .errno(.invalidArgument) }
    guard end - start <= volume.maximumFileSize(of: self) - oldSize else {
      throw .errno(.fileTooLarge)
    }
    let range = start >> volume.blockShift..<end >> volume.blockShift
    var shift = ExtentShift(from: range.lowerBound, by: Int64(range.count))
    var isLonger = false
    try volume.changeInSteps { () throws(Ext4Error) in
      let limit = volume.changedBlockCount + Credits.removal
      if !isLonger {
        // Blocks behind the end of the file move as well.
        guard try lastMappedBlock() + UInt64(range.count) <= UInt64(UInt32.max) else {
          throw .errno(.invalidArgument)
        }
        try splitExtent(at: UInt32(range.lowerBound))
        size = oldSize + (end - start)
        isLonger = true
      }
      let isDone = try moveSomeExtents(&shift, from: start, until: limit)
      try finishChange(end: 0)
      return isDone
    }
  }

  private func requireShiftable(_ start: UInt64, _ end: UInt64) throws(Ext4Error) {
    // The kernel would have to be told in the middle of its own operation.
    guard !volume.volumeUsesIomap.load(ordering: .relaxed),
      volume.metadata.withLock({ flags.contains(.extents) })
    else { throw .errno(.notSupported) }
    guard start % UInt64(volume.blockSize) == 0, end % UInt64(volume.blockSize) == 0 else {
      throw .errno(.invalidArgument)
    }
  }
}

// Metadata lock held, for all of this.
extension Inode {
  /// Moves as many of the extents as may be before the running transaction has changed `limit` blocks, and returns whether that were
  /// all. What is known of the file from byte `start` on is void. The caller stores the inode.
  private func moveSomeExtents(
    _ shift: inout ExtentShift, from start: UInt64, until limit: Int
  ) throws(Ext4Error) -> Bool {
    if !volume.isBroken(at: .keepsMappingsOfRemovedBlocks) {
      mappings.withReadFork { $0.invalidate(from: FileOffset(start), to: mapEnd) }
    }
    defer { noteTreeChange() }
    let root = try soundRootNode()
    // Checksums of nodes need the inode's block in memory.
    try store()
    return try move(&shift, in: root, nil, of: ExtentNode.wholeFile, until: limit)
  }

  /// The same below `node`, which describes blocks of the file in `range`. Whatever happens, its entries say what is below them.
  private func move(
    _ shift: inout ExtentShift, in node: ExtentNode, _ buffer: BlockCache.Buffer?,
    of range: Range<UInt64>, until limit: Int
  ) throws(Ext4Error) -> Bool {
    var entries = Array(node.entries)
    var isChanged = false
    let result = Result { () throws(Ext4Error) in
      try node.depth == 0
        ? moveExtents(&shift, &entries, &isChanged)
        : moveBelow(
          &shift, &entries, depth: node.depth, upTo: range.upperBound, &isChanged, until: limit)
    }
    if isChanged {
      node.fill(with: entries[...], depth: node.depth)
      if let buffer { try seal(buffer, node) }
    }
    return try result.get()
  }

  private func moveExtents(
    _ shift: inout ExtentShift, _ entries: inout [ExtentNode.Entry], _ isChanged: inout Bool
  ) throws(Ext4Error) -> Bool {
    for index in shift.order(of: entries.indices) {
      let extent = entries[index].extent
      guard shift.pending.contains(UInt64(extent.logical)) else { continue }
      let place = Int64(extent.logical) + shift.distance
      guard extent.count > 0, place >= 0, place + Int64(extent.count) < Int64(1) << 32 else {
        throw damagedTree
      }
      entries[index].logical = UInt32(place)
      isChanged = true
      shift.note(extent)
    }
    return true
  }

  private func moveBelow(
    _ shift: inout ExtentShift, _ entries: inout [ExtentNode.Entry], depth: Int, upTo last: UInt64,
    _ isChanged: inout Bool, until limit: Int
  ) throws(Ext4Error) -> Bool {
    for index in shift.order(of: entries.indices) {
      let end = index + 1 < entries.count ? UInt64(entries[index + 1].logical) : last
      guard UInt64(entries[index].logical) < end else { throw damagedTree }
      let range = UInt64(entries[index].logical)..<end
      guard range.overlaps(shift.pending) else { continue }
      guard volume.changedBlockCount < limit else { return false }
      let buffer = try readNode(entries[index].child, depth: depth - 1, of: range)
      let child = ExtentNode(buffer.data, size: volume.blockSize)
      defer {
        if let first = child.entries.first(where: { _ in true })?.logical,
          first != entries[index].logical
        {
          entries[index].logical = first
          isChanged = true
        }
      }
      guard try move(&shift, in: child, buffer, of: range, until: limit) else { return false }
    }
    return true
  }

  private func seal(_ buffer: BlockCache.Buffer, _ node: ExtentNode) throws(Ext4Error) {
    buffer.verifiedAs = nil
    volume.cache.markDirty(buffer)
    try check(
      ext2fs_extent_block_csum_set(volume.fs, number.rawValue, node.header),
      "the checksum of an extent tree's node", number)
  }

  /// Divides the extent that reaches across the beginning of `block`, if there is one. ENOSPC.
  private func splitExtent(at block: UInt32) throws(Ext4Error) {
    let tree = try ExtentTree(of: self)
    try tree.split(at: block)
    noteTreeChange()
  }

  /// The block behind the last that is mapped.
  private func lastMappedBlock() throws(Ext4Error) -> UInt64 {
    var node = try soundRootNode()
    while node.depth > 0 {
      guard node.entryCount > 0 else { throw damagedTree }
      let last = node.entry(at: node.entryCount - 1)
      let range = UInt64(last.logical)..<ExtentNode.wholeFile.upperBound
      node = ExtentNode(
        try readNode(last.child, depth: node.depth - 1, of: range).data, size: volume.blockSize)
    }
    return node.entryCount > 0 ? node.entry(at: node.entryCount - 1).extent.end : 0
  }
}
