import CExt2FS
import Journal

/// The file in which newer kernels note inodes that have lost their last name but are still in use, or that are being truncated: an
/// array of inode numbers, 0 for none, with a tail at the end of each block (`struct ext4_orphan_block_tail`; fs/ext4/orphan.c).
///
/// What an interrupted mount left in it is finished; new ones go to the list, which every kernel knows.
struct OrphanFile {
  private static let magic: UInt32 = 0x0B10_CA04
  private static let tailSize = 8
  /// Blocks at most (EXT4_MAX_ORPHAN_FILE_BLOCKS).
  private static let maximumBlocks: UInt64 = 512

  private let volume: Volume
  private let file: Inode

  init(of volume: Volume) throws(Ext4Error) {
    let number = InodeNumber(
      try volume.superblock.orphanFile.in(
        volume.geometry.firstInode.rawValue...volume.geometry.inodeCount,
        "there is no file of deleted files"))
    self.volume = volume
    file = try volume.inode(number)
    guard file.isRegularFile, file.size >> volume.blockShift <= Self.maximumBlocks,
      !file.flags.contains(.inlineData)
    else { throw .corrupted(number, what: "the file of deleted files is damaged") }
  }

  var blockCount: UInt32 { UInt32(file.size >> volume.blockShift) }

  /// The buffer of a block whose magic number and checksum are right.
  func read(_ index: UInt32) throws(Ext4Error) -> BlockCache.Buffer {
    guard let block = try file.block(at: LogicalBlock(index)) else {
      throw .corrupted(file.number, what: "the file of deleted files has holes")
    }
    let buffer = try volume.readBlock(block, of: file.number)
    let tail = buffer.data + (volume.blockSize - Self.tailSize)
    guard UInt32(littleEndian: tail.load(as: UInt32.self)) == Self.magic,
      !hasChecksums
        || UInt32(littleEndian: tail.load(fromByteOffset: 4, as: UInt32.self)) == checksum(buffer)
    else {
      throw .corrupted(file.number, what: "the file of deleted files is damaged")
    }
    return buffer
  }

  /// Inode numbers in a block.
  private var capacity: Int { (volume.blockSize - Self.tailSize) / 4 }

  /// The first entry from `start` on that names an inode.
  func next(in buffer: BlockCache.Buffer, from start: Int) -> (index: Int, inode: InodeNumber)? {
    for index in start..<max(capacity, start) {
      let number = UInt32(
        littleEndian: buffer.data.load(fromByteOffset: 4 * index, as: UInt32.self))
      if number != 0 { return (index, InodeNumber(number)) }
    }
    return nil
  }

  func clear(_ index: Int, in buffer: BlockCache.Buffer) {
    buffer.data.storeBytes(of: 0, toByteOffset: 4 * index, as: UInt32.self)
    if hasChecksums {
      buffer.data.storeBytes(
        of: checksum(buffer).littleEndian, toByteOffset: volume.blockSize - 4, as: UInt32.self)
    }
    volume.cache.markDirty(buffer)
  }

  private var hasChecksums: Bool {
    volume.features.readOnlyCompatible.contains(.metadataChecksums)
  }

  /// Over the file system's seed, the file's inode number and generation, the block's number and the entries
  /// (`ext4_orphan_file_block_csum_verify`).
  private func checksum(_ buffer: BlockCache.Buffer) -> UInt32 {
    let identity = (
      file.number.rawValue.littleEndian, file.generation.littleEndian,
      buffer.block.rawValue.littleEndian
    )
    let seed = withUnsafeBytes(of: identity) { bytes in
      cext2fs_crc32c(
        volume.superblock.checksumSeed, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, 16)
    }
    return cext2fs_crc32c(seed, buffer.data.assumingMemoryBound(to: UInt8.self), 4 * capacity)
  }
}

extension Volume {
  /// An interrupted mount left files without names, or truncations. Metadata lock held.
  var hasOrphansOnDisk: Bool {
    !(superblock.lastOrphan == 0) || hasOrphansInFile
  }

  private var hasOrphansInFile: Bool {
    superblock.has(.orphansPresent) && features.compatible.contains(.orphanFile)
  }

  /// Finishes what an interrupted mount left in the orphan file: its inodes go to the list, some at a time, and from there their way.
  /// Returns how many files were deleted and truncated. The list has been read. Metadata lock not held.
  func processOrphanFile() throws(Ext4Error) -> (deleted: Int, truncated: Int) {
    guard metadata.withLock({ hasOrphansInFile }) else { return (0, 0) }
    var deleted = 0
    var truncated = 0
    while case let moved = try change({ () throws(Ext4Error) in try moveOrphansToList() }),
      !moved.isEmpty
    {
      for inode in moved {
        if metadata.withLock({ inode.linkCount == 0 }) { deleted += 1 } else { truncated += 1 }
        try finishOrphan(inode)
      }
    }
    try change { () throws(Ext4Error) in
      superblock.set(.orphansPresent, false)
      superblock.markDirty()
    }
    return (deleted, truncated)
  }

  /// Inodes that go from the file to the list in one step.
  private static let orphansPerStep = 16

  /// Returns the inodes that were moved; none when there are no more. Metadata lock held.
  private func moveOrphansToList() throws(Ext4Error) -> [Inode] {
    var moved: [Inode] = []
    let file = try OrphanFile(of: self)
    for block in 0..<file.blockCount {
      let buffer = try file.read(block)
      var start = 0
      while moved.count < Self.orphansPerStep,
        let (index, number) = file.next(in: buffer, from: start)
      {
        start = index + 1
        if let inode = try orphan(number) {
          try addOrphan(inode)
          moved.append(inode)
        }
        file.clear(index, in: buffer)
      }
    }
    return moved
  }

  /// The inode of an entry; nil if it has been freed already, in a mount that was interrupted, too.
  private func orphan(_ number: InodeNumber) throws(Ext4Error) -> Inode? {
    guard geometry.isForFiles(number), !(superblock.orphanFile == number.rawValue) else {
      throw .corrupted(number, what: "the file of deleted files is damaged")
    }
    return orphans.contains(number) ? nil : try leftOrphan(number)
  }
}
