import CExt2FS

/// The checksums of a directory's blocks (metadata_csum): crc32c over the file system's seed, the
/// directory's inode number and generation, and the contents.
///
/// Kernel Documentation/filesystems/ext4/directory.rst: a leaf block ends in a free record of 12 bytes
/// with type 0xDE that holds the checksum (ext4_dir_entry_tail), an index block in 8 bytes (dx_tail).
struct DirectoryChecksum {
  static let leafTailLength = 12
  static let indexTailLength = 8

  private let seed: UInt32
  private let blockSize: Int

  init(of directory: Inode) {
    let identity = (directory.number.rawValue.littleEndian, directory.generation.littleEndian)
    let fileSystemSeed = directory.volume.superblock.checksumSeed
    seed = withUnsafeBytes(of: identity) { Self.crc(fileSystemSeed, $0) }
    blockSize = directory.volume.blockSize
  }

  func leafMatches(_ block: UnsafeMutableRawPointer) -> Bool {
    let tail = block + (blockSize - Self.leafTailLength)
    return tail.loadUnaligned(as: UInt32.self) == 0
      && UInt16(littleEndian: tail.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        == UInt16(Self.leafTailLength)
      && UInt16(littleEndian: tail.loadUnaligned(fromByteOffset: 6, as: UInt16.self)) == 0xDE00
      && UInt32(littleEndian: tail.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        == ofLeaf(block)
  }

  /// Writes a leaf's whole tail.
  func setLeaf(_ block: UnsafeMutableRawPointer) {
    let tail = block + (blockSize - Self.leafTailLength)
    tail.storeBytes(of: 0, as: UInt32.self)
    tail.storeBytes(
      of: UInt16(Self.leafTailLength).littleEndian, toByteOffset: 4, as: UInt16.self)
    tail.storeBytes(of: UInt16(0xDE00).littleEndian, toByteOffset: 6, as: UInt16.self)
    tail.storeBytes(of: ofLeaf(block).littleEndian, toByteOffset: 8, as: UInt32.self)
  }

  /// `used` is how many bytes of the index block precede its first unused entry.
  func indexMatches(_ block: UnsafeMutableRawPointer, used: Int) -> Bool {
    let tail = block + (blockSize - Self.indexTailLength)
    return UInt32(littleEndian: tail.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
      == ofIndex(block, used: used)
  }

  func setIndex(_ block: UnsafeMutableRawPointer, used: Int) {
    let tail = block + (blockSize - Self.indexTailLength)
    tail.storeBytes(
      of: ofIndex(block, used: used).littleEndian, toByteOffset: 4, as: UInt32.self)
  }

  private func ofLeaf(_ block: UnsafeMutableRawPointer) -> UInt32 {
    Self.crc(
      seed, UnsafeRawBufferPointer(start: block, count: blockSize - Self.leafTailLength))
  }

  /// Over the used entries, the tail's reserved word, and zero in place of the checksum itself.
  private func ofIndex(_ block: UnsafeMutableRawPointer, used: Int) -> UInt32 {
    let entries = Self.crc(seed, UnsafeRawBufferPointer(start: block, count: used))
    let reserved = (block + (blockSize - Self.indexTailLength)).loadUnaligned(as: UInt32.self)
    return withUnsafeBytes(of: (reserved, UInt32(0))) { Self.crc(entries, $0) }
  }

  private static func crc(_ start: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    cext2fs_crc32c(
      start, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
  }
}
