import CExt2FS
import Journal

/// The block map of ext2 and ext3: 12 pointers in the inode, then trees of pointers of one, two and three levels
/// (Documentation/filesystems/ext4/blockmap.rst).
extension Inode {
  private static let directCount: UInt64 = 12

  /// Consecutive blocks of a file, with the place of the first; nil for a hole.
  struct IndirectRun {
    var first: BlockNumber?
    var count: UInt64
  }

  /// The blocks from `logical` on that lie together, as far as one array of pointers tells. Metadata lock held.
  func indirectRun(at logical: UInt64) throws(Ext4Error) -> IndirectRun {
    if logical < Self.directCount {
      return try withUnsafeBytes(of: &raw.pointee.i_block) { (bytes) throws(Ext4Error) in
        try run(
          in: bytes.bindMemory(to: UInt32.self).prefix(Int(Self.directCount)), at: Int(logical))
      }
    }
    let perBlock = UInt64(volume.blockSize / 4)
    var index = logical - Self.directCount
    var span = perBlock
    let roots = withUnsafeBytes(of: &raw.pointee.i_block) { bytes in
      let pointers = bytes.bindMemory(to: UInt32.self)
      return (pointers[12], pointers[13], pointers[14])
    }
    for root in [roots.0, roots.1, roots.2] {
      if index < span { return try run(below: root, span: span, at: index) }
      index -= span
      span *= perBlock
    }
    return IndirectRun(first: nil, count: UInt64(UInt32.max))
  }

  /// Descends from `root`, below which there are `span` blocks, to the one at `index`.
  private func run(below root: UInt32, span: UInt64, at index: UInt64) throws(Ext4Error)
    -> IndirectRun
  {
    let perBlock = UInt64(volume.blockSize / 4)
    var pointer = root
    var span = span
    var index = index
    while true {
      guard pointer != 0 else { return IndirectRun(first: nil, count: span - index) }
      let buffer = try volume.readBlock(BlockNumber(UInt64(pointer)), of: number)
      let pointers = UnsafeRawBufferPointer(start: buffer.data, count: volume.blockSize)
        .bindMemory(to: UInt32.self)
      span /= perBlock
      let slot = Int(index / span)
      if span == 1 { return try run(in: pointers[...], at: slot) }
      pointer = pointers[slot]
      index %= span
    }
  }

  private func run(
    in pointers: Slice<UnsafeBufferPointer<UInt32>>, at slot: Int
  ) throws(Ext4Error) -> IndirectRun {
    let first = pointers[slot]
    var count: UInt64 = 1
    while slot + Int(count) < pointers.endIndex {
      let expected = first == 0 ? 0 : UInt64(first) + count
      guard UInt64(pointers[slot + Int(count)]) == expected else { break }
      count += 1
    }
    guard first != 0 else { return IndirectRun(first: nil, count: count) }
    guard volume.contains(BlockNumber(UInt64(first)), count: count) else {
      throw .corrupted(number, what: "a block number lies outside the file system")
    }
    return IndirectRun(first: BlockNumber(UInt64(first)), count: count)
  }

  /// Enters blocks where the file has a hole. ENOSPC, with nothing entered, when there is no room for the trees.
  /// Metadata lock held; the caller stores the inode.
  func recordIndirect(_ extent: Extent) throws(Ext4Error) {
    // First all arrays of pointers that it takes, then the pointers, which cannot fail for want of space.
    for isFilling in [false, true] {
      var done: UInt64 = 0
      while done < UInt64(extent.count) {
        let place = try pointerPlace(at: UInt64(extent.logical) + done)
        let count = min(UInt64(extent.count) - done, place.room)
        if isFilling {
          for index in 0..<count {
            place.pointers[Int(index)] = UInt32(extent.physical.rawValue + done + index)
          }
          if let buffer = place.buffer { volume.cache.markDirty(buffer) }
        }
        done += count
      }
    }
  }

  /// Where the pointer to a block of the file stands, and how many more stand behind it.
  private struct PointerPlace {
    /// Nil when it is in the inode.
    var buffer: BlockCache.Buffer?
    var pointers: UnsafeMutablePointer<UInt32>
    var room: UInt64
  }

  /// Finds the place, making the arrays of pointers that lead to it.
  private func pointerPlace(at logical: UInt64) throws(Ext4Error) -> PointerPlace {
    let inInode = UnsafeMutableRawPointer(raw)
      .advanced(by: MemoryLayout<ext2_inode_large>.offset(of: \.i_block)!)
      .assumingMemoryBound(to: UInt32.self)
    if logical < Self.directCount {
      return PointerPlace(pointers: inInode + Int(logical), room: Self.directCount - logical)
    }
    let perBlock = UInt64(volume.blockSize / 4)
    var index = logical - Self.directCount
    var span = perBlock
    var root = 12
    while index >= span {
      index -= span
      span *= perBlock
      root += 1
      guard root < 15 else { throw .errno(.fileTooLarge) }
    }
    var place = PointerPlace(pointers: inInode + root, room: 1)
    while span > 1 {
      let buffer = try array(behind: place)
      span /= perBlock
      let slot = Int(index / span)
      index %= span
      place = PointerPlace(
        buffer: buffer, pointers: buffer.data.assumingMemoryBound(to: UInt32.self) + slot,
        room: perBlock - UInt64(slot))
    }
    return place
  }

  /// The array of pointers that the pointer at `place` leads to; a new one if there is none.
  private func array(behind place: PointerPlace) throws(Ext4Error) -> BlockCache.Buffer {
    let pointer = place.pointers.pointee
    if pointer != 0 { return try volume.readBlock(BlockNumber(UInt64(pointer)), of: number) }
    let block = try volume.allocateMetadataBlock(for: self)
    let buffer = try volume.newBlock(block, of: number)
    volume.cache.markDirty(buffer)
    place.pointers.pointee = UInt32(block.rawValue)
    if let parent = place.buffer { volume.cache.markDirty(parent) }
    return buffer
  }

  /// Frees the blocks in [`first`, `end`), as far as the budget goes, and the arrays of pointers that are left empty. Metadata
  /// lock held; the caller stores the inode.
  func removeIndirect(
    from first: UInt64, to end: UInt64, _ budget: inout RemovalBudget
  ) throws(Ext4Error) {
    let pointers = UnsafeMutableRawPointer(raw)
      .advanced(by: MemoryLayout<ext2_inode_large>.offset(of: \.i_block)!)
      .assumingMemoryBound(to: UInt32.self)
    let perBlock = UInt64(volume.blockSize / 4)
    var start: UInt64 = 0
    var span: UInt64 = 1
    for slot in 0..<15 {
      if slot >= Int(Self.directCount) { span *= perBlock }
      if start < end, start + span > first {
        try clear(
          pointers + slot, span: span, from: first > start ? first - start : 0,
          to: min(end - start, span), &budget)
      }
      start += span
    }
  }

  /// Frees what lies in [`first`, `end`) of the `span` blocks below `pointer`, and the pointer if nothing is left. Returns
  /// whether that is so.
  @discardableResult
  private func clear(
    _ pointer: UnsafeMutablePointer<UInt32>, span: UInt64, from first: UInt64, to end: UInt64,
    _ budget: inout RemovalBudget
  ) throws(Ext4Error) -> Bool {
    guard pointer.pointee != 0 else { return true }
    guard budget.allowsAnother() else { return false }
    let block = BlockNumber(UInt64(pointer.pointee))
    guard volume.contains(block) else {
      throw .corrupted(number, what: "a block number lies outside the file system")
    }
    if span > 1 {
      let buffer = try volume.readBlock(block, of: number)
      let pointers = buffer.data.assumingMemoryBound(to: UInt32.self)
      let perBlock = UInt64(volume.blockSize / 4)
      let below = span / perBlock
      var isEmpty = true
      let changes = volume.cache.changeCount
      // Also when it fails halfway.
      defer { if volume.cache.changeCount != changes { volume.cache.markDirty(buffer) } }
      for slot in 0..<perBlock {
        let start = slot * below
        if start < end, start + below > first {
          let isGone = try clear(
            pointers + Int(slot), span: below, from: first > start ? first - start : 0,
            to: min(end - start, below), &budget)
          if !isGone { isEmpty = false }
        } else if pointers[Int(slot)] != 0 {
          isEmpty = false
        }
      }
      guard isEmpty else { return false }
    }
    let run = BlockRun(first: block, count: 1)
    try volume.loadBlockBitmaps(of: run)
    pointer.pointee = 0
    try freeData(run)
    return true
  }
}
