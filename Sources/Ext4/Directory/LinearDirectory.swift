import Journal

/// What is remembered about a directory in memory, to make scans short. Everything in it may be lost.
struct DirectoryHints {
  /// The index was found to make no sense: do without it.
  var indexIsDamaged = false
  /// Where the last scan found its name: programs look names up in the order in which they lie.
  var lastFound: UInt32 = 0
  /// No block before `firstWithRoom` has room for a record of `roomLength` bytes or more.
  var firstWithRoom: UInt32 = 0
  var roomLength = 0
  /// A listing that has come to this cookie is complete until an entry is added. Programs list until they get an empty answer.
  var listingEnd: UInt64?

  /// The block from which on a record of `length` bytes may have room.
  func searchStart(for length: Int) -> UInt32 { length >= roomLength ? firstWithRoom : 0 }

  /// No block before `block` has room for `length` bytes.
  mutating func foundNoRoom(before block: UInt32, for length: Int) {
    firstWithRoom = block
    roomLength = length
  }

  mutating func madeRoom(in block: UInt32) { firstWithRoom = min(firstWithRoom, block) }
}

// Directories without an index, or whose index is of no use: their names lie in no order.
extension Inode {
  /// Scans all blocks for `name`.
  func findByScan(
    _ name: FileName, mayBreakOff: Bool
  ) throws(Ext4Error) -> (DirectoryBlock, EntryRegion.Match)? {
    let count = try directoryBlockCount()
    guard count > 0 else { return nil }
    let start = min(directoryHints.lastFound, count - 1)
    if let found = try find(name, in: start..<count, mayBreakOff) { return found }
    return try find(name, in: 0..<start, mayBreakOff)
  }

  private func find(
    _ name: FileName, in blocks: Range<UInt32>, _ mayBreakOff: Bool
  ) throws(Ext4Error) -> (DirectoryBlock, EntryRegion.Match)? {
    for number in blocks {
      if mayBreakOff { try askForCaller(at: number) }
      guard let block = try anyBlock(number) else {
        // The kernel passes over holes as well; e2fsck closes them.
        if isBehindAllBlocks(number) { return nil }
        continue
      }
      if let match = try block.region.find(name) {
        directoryHints.lastFound = number
        return (block, match)
      }
    }
    return nil
  }

  /// Adds an entry where there is room, or else in a new block. A directory that would get its second
  /// block becomes an indexed one if `mayIndex`.
  func insertByScan(_ entry: NewEntry, mayIndex: Bool) throws(Ext4Error) {
    let count = try directoryBlockCount()
    guard count > 0 else { throw .corrupted(number, what: "a directory has no first block") }
    let length = entry.recordLength
    for number in min(directoryHints.searchStart(for: length), count)..<count {
      try askForCaller(at: number)
      guard let block = try anyBlock(number) else {
        if isBehindAllBlocks(number) { break }
        continue
      }
      if let offset = try block.region.room(for: length) {
        directoryHints.foundNoRoom(before: number, for: length)
        try block.region.insert(entry, at: offset)
        return try didChange(block.holder)
      }
    }
    if mayIndex, count == 1, try makeIndex() {
      try divideFirstLeaf(for: entry)
      guard try insertByHash(entry) else {
        throw .corrupted(number, what: "the directory index is damaged")
      }
      return
    }
    let (number, buffer) = try appendDirectoryBlock()
    var filler = EntryRegion.Filler(leafRegion(buffer))
    filler.append(entry)
    filler.finish()
    try didChange(.leaf(buffer))
    directoryHints.foundNoRoom(before: number, for: length)
  }
}
