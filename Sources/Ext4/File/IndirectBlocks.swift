import CExt2FS
import Journal

/// The block map of ext2 and ext3: 12 pointers in the inode, then trees of pointers of one, two and three levels
/// (Documentation/filesystems/ext4/blockmap.rst).
extension Inode {
  private static let directCount: UInt64 = 12
  /// Of all pointers in the inode.
  private static let rootCount = 15

  /// Consecutive blocks of a file, with the place of the first; nil for a hole.
  struct IndirectRun {
    var first: BlockNumber?
    var count: UInt64
    /// The lowest array of pointers on the way to it, and the first block of the file that it describes.
    var array: (block: BlockNumber, start: UInt64)?
  }

  private var perArray: UInt64 { UInt64(volume.blockSize / 4) }

  /// Which of the pointers in the inode a block is below, how many blocks are below that, and which of these it is. Nil for a
  /// block that the map cannot describe.
  private func root(of logical: UInt64) -> (slot: Int, span: UInt64, index: UInt64)? {
    if logical < Self.directCount { return (Int(logical), 1, 0) }
    var index = logical - Self.directCount
    var span = perArray
    for slot in Int(Self.directCount)..<Self.rootCount {
      if index < span { return (slot, span, index) }
      index -= span
      span *= perArray
    }
    return nil
  }

  /// The blocks from `logical` on that lie together, as far as one array of pointers tells. Metadata lock held.
  func indirectRun(at logical: UInt64) throws(Ext4Error) -> IndirectRun {
    guard var (slot, span, index) = root(of: logical) else {
      return IndirectRun(first: nil, count: UInt64(UInt32.max))
    }
    var way = BlockMapWay(of: self)
    var pointers = PointerArray(blockField)
    var array: (block: BlockNumber, start: UInt64)?
    while span > 1 {
      guard let block = try pointers.block(at: slot, in: way) else {
        return IndirectRun(first: nil, count: span - index)
      }
      pointers = try way.enter(block)
      array = (block, logical - index)
      span /= perArray
      slot = Int(index / span)
      index %= span
    }
    // Behind the direct pointers in the inode come others.
    let limit = logical < Self.directCount ? Int(Self.directCount - logical) : Int.max
    let (first, count) = try pointers.run(at: slot, limit: limit, in: way)
    return IndirectRun(first: first, count: count, array: array)
  }

  /// Enters blocks where the file has a hole. ENOSPC, with nothing entered, when there is no room for the trees.
  /// Metadata lock held; the caller stores the inode.
  func recordIndirect(_ extent: Extent) throws(Ext4Error) {
    guard extent.physical.rawValue + UInt64(extent.count) <= PointerArray.limit else {
      throw .errno(.noSpace)
    }
    // First all arrays of pointers that it takes, then the pointers, which cannot fail for want of space.
    for isFilling in [false, true] {
      var done: UInt64 = 0
      while done < UInt64(extent.count) {
        let place = try pointerPlace(at: UInt64(extent.logical) + done)
        let count = min(UInt64(extent.count) - done, place.room)
        if isFilling {
          for index in 0..<count {
            place.pointers.set(place.slot + Int(index), to: extent.physical + done + index)
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
    var pointers: PointerArray
    var slot: Int
    var room: UInt64
  }

  /// Finds the place, making the arrays of pointers that lead to it.
  private func pointerPlace(at logical: UInt64) throws(Ext4Error) -> PointerPlace {
    guard var (slot, span, index) = root(of: logical) else { throw .errno(.fileTooLarge) }
    var way = BlockMapWay(of: self)
    var place = PointerPlace(
      pointers: PointerArray(blockField), slot: slot,
      room: logical < Self.directCount ? Self.directCount - logical : 1)
    while span > 1 {
      let block = try array(behind: place, on: way)
      let pointers = try way.enter(block)
      span /= perArray
      slot = Int(index / span)
      index %= span
      place = PointerPlace(
        buffer: try volume.readBlock(block, of: number), pointers: pointers, slot: slot,
        room: perArray - UInt64(slot))
    }
    return place
  }

  /// The array of pointers that the pointer at `place` leads to; a new one if there is none.
  private func array(
    behind place: PointerPlace, on way: borrowing BlockMapWay
  ) throws(Ext4Error) -> BlockNumber {
    if let known = try place.pointers.block(at: place.slot, in: way) { return known }
    let block = try volume.allocateMetadataBlock(for: self)
    guard block.rawValue < PointerArray.limit else {
      try volume.freeMetadataBlock(block, of: self)
      throw .errno(.noSpace)
    }
    volume.cache.markDirty(try volume.newBlock(block, of: number))
    place.pointers.set(place.slot, to: block)
    if let parent = place.buffer { volume.cache.markDirty(parent) }
    return block
  }

  /// Frees the blocks in [`first`, `end`), as far as the budget goes, and the arrays of pointers that are left empty. Metadata
  /// lock held; the caller stores the inode.
  func removeIndirect(
    from first: UInt64, to end: UInt64, _ budget: inout RemovalBudget
  ) throws(Ext4Error) {
    let pointers = PointerArray(blockField)
    var way = BlockMapWay(of: self)
    var start: UInt64 = 0
    var span: UInt64 = 1
    for slot in 0..<Self.rootCount {
      if slot >= Int(Self.directCount) { span *= perArray }
      if start < end, start + span > first {
        try clear(
          slot, of: pointers, &way, span: span, from: first > start ? first - start : 0,
          to: min(end - start, span), &budget)
      }
      start += span
    }
  }

  /// Frees what lies in [`first`, `end`) of the `span` blocks below a pointer, and the pointer if nothing is left. Returns
  /// whether that is so.
  @discardableResult
  private func clear(
    _ slot: Int, of pointers: PointerArray, _ way: inout BlockMapWay, span: UInt64,
    from first: UInt64, to end: UInt64, _ budget: inout RemovalBudget
  ) throws(Ext4Error) -> Bool {
    guard let block = try pointers.block(at: slot, in: way) else { return true }
    guard budget.allowsAnother() else { return false }
    // What is the file system's own is no array of pointers; `freeData` leaves it alone, and tells.
    if span > 1, volume.isForFiles(block) {
      // A second time there would be nothing but blocks that are free already, or another file's.
      guard !removedArrays.contains(block) else {
        throw .corrupted(number, what: "a block map uses an array of pointers twice")
      }
      guard try clearArray(in: block, &way, span: span, from: first, to: end, &budget) else {
        return false
      }
      removedArrays.insert(block)
    }
    let run = BlockRun(first: block, count: 1)
    // What can fail comes first, so that the pointer goes together with the block.
    try volume.loadBlockBitmaps(toFree: run)
    pointers.clear(slot)
    try freeData(run)
    return true
  }

  private func clearArray(
    in block: BlockNumber, _ way: inout BlockMapWay, span: UInt64, from first: UInt64,
    to end: UInt64, _ budget: inout RemovalBudget
  ) throws(Ext4Error) -> Bool {
    let pointers = try way.enter(block)
    // Even after an error the array says what is left of it.
    defer { way.leave() }
    let buffer = try volume.readBlock(block, of: number)
    volume.cache.markDirty(buffer)
    let below = span / perArray
    var isEmpty = true
    for slot in 0..<perArray {
      let start = slot * below
      if start < end, start + below > first {
        let isGone = try clear(
          Int(slot), of: pointers, &way, span: below, from: first > start ? first - start : 0,
          to: min(end - start, below), &budget)
        if !isGone { isEmpty = false }
      } else if !pointers.isHole(at: Int(slot)) {
        isEmpty = false
      }
    }
    return isEmpty
  }
}
