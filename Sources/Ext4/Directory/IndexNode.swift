import Journal

/// A block of a directory's hash index: the root or an inner node.
///
/// Kernel Documentation/filesystems/ext4/directory.rst, "Hash Tree Directories": after a header come
/// entries of 8 bytes, hash and block, in the order of their hashes. The first entry's hash is taken to
/// be 0, and its place is used for the limit and the count of entries.
struct IndexNode {
  /// What precedes the entries: "." and "..", and the root's own 8 bytes.
  static let rootHeaderLength = 32
  /// What precedes the entries of other nodes: a free record that spans the block.
  static let nodeHeaderLength = 8
  static let entryLength = 8
  /// Block numbers have 28 bits (EXT4_DX_BLOCK_MASK).
  static let blockMask: UInt32 = 0x0FFF_FFFF

  let buffer: BlockCache.Buffer
  /// Bytes before the first entry.
  let headerLength: Int
  /// How many entries have room.
  let limit: Int

  private var entries: UnsafeMutableRawPointer { buffer.data + headerLength }

  /// Nil unless the block is an index block whose limit is what its size says, with a count in 1...limit.
  init?(_ buffer: BlockCache.Buffer, of directory: Inode) {
    let blockSize = directory.volume.blockSize
    let region = directory.region(buffer.data, blockSize)
    guard let first = try? region.record(at: 0) else { return nil }
    let header: Int
    if first.isUsed {
      guard let second = try? region.record(at: 12), Self.areDots(first, second),
        second.length == blockSize - 12,
        buffer.data.load(fromByteOffset: 29, as: UInt8.self) == 8
      else { return nil }
      header = Self.rootHeaderLength
    } else {
      guard first.length == blockSize else { return nil }
      header = Self.nodeHeaderLength
    }
    self.init(
      buffer, headerLength: header, blockSize: blockSize,
      hasChecksum: directory.hasDirectoryChecksums)
    guard field(0) == limit, 1...limit ~= count else { return nil }
  }

  private init(
    _ buffer: BlockCache.Buffer, headerLength: Int, blockSize: Int, hasChecksum: Bool
  ) {
    self.buffer = buffer
    self.headerLength = headerLength
    let tail = hasChecksum ? DirectoryChecksum.indexTailLength : 0
    limit = (blockSize - headerLength - tail) / Self.entryLength
  }

  /// Makes the zeroed `buffer` a node with the entries from `first` on of `other`.
  init(_ buffer: BlockCache.Buffer, takingFrom first: Int, of other: IndexNode, in directory: Inode)
  {
    let blockSize = directory.volume.blockSize
    self.init(
      buffer, headerLength: Self.nodeHeaderLength, blockSize: blockSize,
      hasChecksum: directory.hasDirectoryChecksums)
    EntryRecord.writeFree(length: blockSize, at: buffer.data)
    let moved = max(0, min(min(other.count, other.limit) - first, limit))
    entries.copyMemory(
      from: other.entries + first * Self.entryLength, byteCount: moved * Self.entryLength)
    setField(0, limit)
    count = moved
  }

  /// Makes `buffer`, which starts with "." and "..", the root of an index with one leaf.
  init(
    root buffer: BlockCache.Buffer, leaf: UInt32, hash: HashVersion, in directory: Inode
  ) {
    let blockSize = directory.volume.blockSize
    self.init(
      buffer, headerLength: Self.rootHeaderLength, blockSize: blockSize,
      hasChecksum: directory.hasDirectoryChecksums)
    EntryRecord.setLength(blockSize - 12, at: buffer.data + 12)
    (buffer.data + 24).initializeMemory(as: UInt8.self, repeating: 0, count: blockSize - 24)
    buffer.data.storeBytes(of: hash.rawValue, toByteOffset: 28, as: UInt8.self)
    buffer.data.storeBytes(of: 8, toByteOffset: 29, as: UInt8.self)
    setField(0, limit)
    count = 1
    setBlock(0, leaf)
  }

  /// True for a "." of the least length with ".." behind it.
  static func areDots(_ first: EntryRecord, _ second: EntryRecord) -> Bool {
    first.isUsed && second.isUsed && first.length == 12 && FileName.current.matches(first.name)
      && FileName.parent.matches(second.name)
  }

  var isRoot: Bool { headerLength == Self.rootHeaderLength }

  var isFull: Bool { count >= limit }

  /// Bytes up to the first unused entry.
  var usedLength: Int { headerLength + count * Self.entryLength }

  var count: Int {
    get { field(2) }
    nonmutating set { setField(2, newValue) }
  }

  /// Whether the hashes do not fall. The lowest bit does not count: it says that the hash goes on from the leaf before.
  var isOrdered: Bool {
    var last: UInt32 = 0
    for index in 1..<max(count, 1) {
      let hash = hash(index) & ~1
      guard hash >= last else { return false }
      last = hash
    }
    return true
  }

  /// Whether an ordered node has no hashes but those in `range`.
  func fits(_ range: ClosedRange<UInt32>) -> Bool {
    count == 1 || hash(1) & ~1 >= range.lowerBound && hash(count - 1) & ~1 <= range.upperBound
  }

  func hash(_ index: Int) -> UInt32 {
    let offset = index * Self.entryLength
    return UInt32(littleEndian: entries.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  func block(_ index: Int) -> UInt32 {
    let offset = index * Self.entryLength + 4
    return UInt32(littleEndian: entries.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      & Self.blockMask
  }

  func setBlock(_ index: Int, _ block: UInt32) {
    entries.storeBytes(
      of: block.littleEndian, toByteOffset: index * Self.entryLength + 4, as: UInt32.self)
  }

  /// The last entry whose hash is at most `hash`.
  func index(of hash: UInt32) -> Int {
    var low = 1
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self.hash(middle) > hash { high = middle } else { low = middle + 1 }
    }
    return low - 1
  }

  /// Adds an entry as number `index`, 1 or more. EUCLEAN when there is no such place: on a hostile image
  /// the block may have changed under our hands as some other part of the directory.
  func insert(
    _ hash: UInt32, _ block: UInt32, at index: Int, in directory: Inode
  ) throws(Ext4Error) {
    let count = count
    guard count < limit, 1...count ~= index else {
      throw .corrupted(directory.number, what: "a block of the directory index is used twice")
    }
    let place = entries + index * Self.entryLength
    let following = (count - index) * Self.entryLength
    (place + Self.entryLength).copyMemory(from: place, byteCount: following)
    place.storeBytes(of: hash.littleEndian, as: UInt32.self)
    place.storeBytes(of: block.littleEndian, toByteOffset: 4, as: UInt32.self)
    self.count = count + 1
  }

  private func field(_ offset: Int) -> Int {
    Int(UInt16(littleEndian: entries.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
  }

  private func setField(_ offset: Int, _ value: Int) {
    entries.storeBytes(
      of: UInt16(truncatingIfNeeded: value).littleEndian, toByteOffset: offset, as: UInt16.self)
  }
}
