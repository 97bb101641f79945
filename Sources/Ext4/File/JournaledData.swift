import Glibc
import IomapCache
import Journal
import SystemPackage

// Files with the flag `j` (EXT4_JOURNAL_DATA_FL): their data goes through the journal as metadata does, so that it becomes visible after
// a crash together with whatever else belongs to the transaction. Where the file system has no journal the flag is without effect.
extension Inode {
  /// Blocks that a write changes in one step at most.
  private static let blocksPerStep = 32

  var journalsData: Bool {
    hasJournalFlag.load(ordering: .relaxed) && volume.hasJournal
      && !isServedByIomap.load(ordering: .relaxed)
  }

  /// What one step of a write may change beyond what it does for other files: the blocks, and the one in which the file ended.
  var dataCredits: Int { journalsData ? Self.blocksPerStep + 2 : 0 }

  /// How many of `count` bytes at `offset` one step may write.
  func stepLength(_ count: Int, at offset: UInt64) -> Int {
    guard journalsData else { return count }
    let start = Int(offset & UInt64(volume.blockSize - 1))
    return min(count, Self.blocksPerStep * volume.blockSize - start)
  }

  /// Calls `body`, which changes at most two blocks of data, as a step of its own where that takes one. Neither the metadata lock nor the commit
  /// gate may be held.
  func changeEdges(_ body: () throws(Ext4Error) -> Void) throws(Ext4Error) {
    guard journalsData else { return try body() }
    try volume.changeWithoutCommit(credits: 2, body)
  }

  /// Within a transaction that has room for them. Metadata lock held.
  func writeJournaled(
    _ bytes: UnsafeRawBufferPointer, at address: DeviceOffset
  ) throws(Ext4Error) {
    try forEachBlock(bytes.count, at: address) { (block, start, part) throws(Ext4Error) in
      try changeBlock(block, isReplaced: part.count == volume.blockSize) { data in
        memcpy(data + start, bytes.baseAddress! + part.lowerBound, part.count)
      }
    }
  }

  /// The same with zeros.
  func zeroJournaled(_ count: Int, at address: DeviceOffset) throws(Ext4Error) {
    try forEachBlock(count, at: address) { (block, start, part) throws(Ext4Error) in
      try changeBlock(block, isReplaced: part.count == volume.blockSize) { data in
        memset(data + start, 0, part.count)
      }
    }
  }

  /// Metadata lock held.
  func readJournaled(
    into bytes: UnsafeMutableRawBufferPointer, at address: DeviceOffset
  ) throws(Ext4Error) {
    try forEachBlock(bytes.count, at: address) { (block, start, part) throws(Ext4Error) in
      let buffer = try volume.readBlock(block, of: number)
      memcpy(bytes.baseAddress! + part.lowerBound, buffer.data + start, part.count)
    }
  }

  private func changeBlock(
    _ block: BlockNumber, isReplaced: Bool, _ body: (UnsafeMutableRawPointer) -> Void
  ) throws(Ext4Error) {
    guard volume.contains(block) else {
      throw .corrupted(number, what: "a block number lies outside the file system")
    }
    do throws(Errno) {
      let buffer = try isReplaced ? volume.cache.overwrite(block) : volume.cache.read(block)
      body(buffer.data)
      buffer.verifiedAs = nil
      volume.cache.markDirty(buffer)
    } catch {
      throw .library(code: Int(error.rawValue), doing: "reading file data", number)
    }
  }

  /// Cuts `count` bytes from `address` on into blocks: where each begins in its block, and which of the bytes it is.
  private func forEachBlock(
    _ count: Int, at address: DeviceOffset,
    _ body: (BlockNumber, _ start: Int, _ part: Range<Int>) throws(Ext4Error) -> Void
  ) throws(Ext4Error) {
    var done = 0
    while done < count {
      let position = address.rawValue + UInt64(done)
      let start = Int(position & UInt64(volume.blockSize - 1))
      let length = min(count - done, volume.blockSize - start)
      try body(BlockNumber(position >> volume.blockShift), start, done..<(done + length))
      done += length
    }
  }

  /// Before the flag changes: whatever the log holds of the file is brought home, so that a replay cannot undo later writes that
  /// go around it, and nothing stays cached that such writes would not change. `io` held exclusively.
  func prepareToSwitchJournaling() throws(Ext4Error) {
    try volume.synchronize()
    try volume.checkpoint()
    guard isRegularFile, !hasInlineData.load(ordering: .relaxed) else { return }
    var walk = MappingWalk(over: self)
    var position = FileOffset(0)
    let end = FileOffset(sizeInBytes.load(ordering: .acquiring))
    while position < end {
      let mapping = try mapping(at: position)
      if mapping.kind == .mapped {
        volume.metadata.withLock {
          volume.cache.forget(
            BlockNumber(mapping.address.rawValue >> volume.blockShift),
            count: mapping.length >> volume.blockShift)
        }
      }
      position = try walk.pass(mapping, from: position)
    }
  }
}
