import Journal

/// Records of a directory together with what must follow when they change.
struct DirectoryBlock {
  enum Holder {
    /// A block of entries, with a checksum tail where checksums are on.
    case leaf(BlockCache.Buffer)
    /// A block of the index: its root, with "." and "..", or a node, which looks like one free record.
    case index(BlockCache.Buffer)
    /// The inode itself (inline data).
    case inode
  }

  let region: EntryRegion
  let holder: Holder
}

// The blocks of a directory. Metadata lock held, for all of them.
extension Inode {
  var hasDirectoryIndexFeature: Bool { volume.features.compatible.contains(.directoryIndex) }

  var hasDirectoryChecksums: Bool {
    volume.features.readOnlyCompatible.contains(.metadataChecksums)
  }

  private var isLargeDirectory: Bool {
    volume.features.incompatible.contains(.largeDirectory)
  }

  /// How many blocks the directory has by its size. Without the large_dir feature the size has 32 bits
  /// (ext4_isize).
  func directoryBlockCount() throws(Ext4Error) -> UInt32 {
    let bytes = isLargeDirectory ? size : size & 0xFFFF_FFFF
    let blocks = bytes >> volume.blockShift
    guard blocks <= volume.blockCount, let count = UInt32(exactly: blocks) else {
      throw .corrupted(number, what: "a directory is larger than its file system")
    }
    return count
  }

  /// True when block `block`, a hole, lies so far behind what the inode occupies that no block can follow
  /// (ext4_readdir stops there as well).
  func isBehindAllBlocks(_ block: UInt32) -> Bool {
    UInt64(block) << volume.blockShift > sectorCount << 9
  }

  /// A walk over all blocks, which changes nothing and has changed nothing yet, has come to `block`: EINTR if the caller is gone.
  func askForCaller(at block: UInt32) throws(Ext4Error) {
    if block % 64 == 63 { try volume.requireCaller() }
  }

  func region(_ base: UnsafeMutableRawPointer, _ count: Int) -> EntryRegion {
    EntryRegion(
      base: base, count: count, directory: number,
      inodeCount: volume.geometry.inodeCount)
  }

  func leafRegion(_ buffer: BlockCache.Buffer) -> EntryRegion {
    let tail = hasDirectoryChecksums ? DirectoryChecksum.leafTailLength : 0
    return region(buffer.data, volume.blockSize - tail)
  }

  /// Nil for a hole.
  func directoryBuffer(_ block: UInt32) throws(Ext4Error) -> BlockCache.Buffer? {
    guard let physical = try self.block(at: LogicalBlock(block)) else { return nil }
    return try volume.readBlock(physical, of: number)
  }

  /// A leaf to which the index leads: never a hole.
  func leaf(_ block: UInt32) throws(Ext4Error) -> DirectoryBlock {
    guard let buffer = try directoryBuffer(block) else {
      throw .corrupted(number, what: "a directory index leads to a hole")
    }
    try verifyLeaf(buffer)
    return DirectoryBlock(region: leafRegion(buffer), holder: .leaf(buffer))
  }

  /// A block as a scan of the whole directory meets it, be it a leaf or part of the index. Nil for a hole.
  func anyBlock(_ block: UInt32) throws(Ext4Error) -> DirectoryBlock? {
    guard let buffer = try directoryBuffer(block) else { return nil }
    if flags.contains(.indexed) && (block == 0 || fillsBlock(buffer)) {
      // Its checksum is not looked at: a scan is what remains when the index is damaged, and an empty
      // leaf may look like an index node.
      return DirectoryBlock(
        region: region(buffer.data, volume.blockSize), holder: .index(buffer))
    }
    try verifyLeaf(buffer)
    return DirectoryBlock(region: leafRegion(buffer), holder: .leaf(buffer))
  }

  /// True when the block's first record is free and fills it all, as in every index node.
  private func fillsBlock(_ buffer: BlockCache.Buffer) -> Bool {
    guard let first = try? region(buffer.data, volume.blockSize).record(at: 0) else { return false }
    return !first.isUsed && first.length == volume.blockSize
  }

  private func verifyLeaf(_ buffer: BlockCache.Buffer) throws(Ext4Error) {
    guard buffer.verifiedAs != .directoryEntries else { return }
    if hasDirectoryChecksums {
      guard DirectoryChecksum(of: self).leafMatches(buffer.data) else {
        throw .corrupted(number, what: "a directory block has a bad checksum")
      }
    }
    buffer.verifiedAs = .directoryEntries
  }

  /// Signs the block whose records have changed and leaves it to the next commit.
  func didChange(_ holder: DirectoryBlock.Holder) throws(Ext4Error) {
    switch holder {
    case .leaf(let buffer):
      if hasDirectoryChecksums { DirectoryChecksum(of: self).setLeaf(buffer.data) }
      buffer.verifiedAs = .directoryEntries
      volume.cache.markDirty(buffer)
    case .index(let buffer):
      if hasDirectoryChecksums {
        guard let node = IndexNode(buffer, of: self) else {
          throw .corrupted(number, what: "the directory index is damaged")
        }
        DirectoryChecksum(of: self).setIndex(buffer.data, used: node.usedLength)
      }
      buffer.verifiedAs = .directoryIndex
      volume.cache.markDirty(buffer)
    case .inode:
      try store()
    }
  }

  /// Adds a zeroed block to the directory and returns it. The caller writes its records. ENOSPC without any
  /// change when there is none, or when the directory is as large as it may become.
  func appendDirectoryBlock() throws(Ext4Error) -> (block: UInt32, buffer: BlockCache.Buffer) {
    let blocks = UInt64(try directoryBlockCount())
    let limit = isLargeDirectory ? UInt64(1) << 28 : (UInt64(1) << 31) >> volume.blockShift
    guard blocks < limit else { throw .errno(.noSpace) }
    guard size == blocks << volume.blockShift,
      try block(at: LogicalBlock(UInt32(truncatingIfNeeded: blocks))) == nil
    else { throw .corrupted(number, what: "a directory's size and its blocks disagree") }
    let (logical, physical) = try appendBlock()
    return (logical.rawValue, try volume.newBlock(physical, of: number))
  }
}
