import Journal

/// Pointers to blocks as they lie in an inode or in a block of their own, in the block map of ext2 and ext3: 32 bits each, little-endian,
/// 0 for a hole. What it returns was judged; the numbers themselves come out nowhere.
struct PointerArray {
  private let start: UnsafeMutablePointer<UInt32>
  let count: Int

  init(_ bytes: UnsafeMutableRawBufferPointer) {
    count = bytes.count / 4
    start = bytes.baseAddress!.bindMemory(to: UInt32.self, capacity: count)
  }

  init(_ buffer: BlockCache.Buffer, size: Int) {
    self.init(UnsafeMutableRawBufferPointer(start: buffer.data, count: size))
  }

  private subscript(slot: Int) -> UInt64 { UInt64(UInt32(littleEndian: start[slot])) }

  func isHole(at slot: Int) -> Bool { start[slot] == 0 }

  /// Where a pointer leads; nil for a hole. EUCLEAN for a place outside the file system, and for a block on the way to this array.
  func block(at slot: Int, in map: borrowing BlockMapWay) throws(Ext4Error) -> BlockNumber? {
    try run(at: slot, limit: 1, in: map).first
  }

  /// The blocks from `slot` on that lie together, `limit` at most, with the place of the first; nil for a hole.
  func run(
    at slot: Int, limit: Int = .max, in map: borrowing BlockMapWay
  ) throws(Ext4Error) -> (first: BlockNumber?, count: UInt64) {
    let first = self[slot]
    let end = limit < count - slot ? slot + limit : count
    var length = 1
    while slot + length < end {
      guard self[slot + length] == (first == 0 ? 0 : first + UInt64(length)) else { break }
      length += 1
    }
    guard first != 0 else { return (nil, UInt64(length)) }
    let run = BlockRun(first: BlockNumber(first), count: UInt64(length))
    try map.judge(run)
    return (run.first, run.count)
  }

  /// The most blocks that 32 bits can tell.
  static let limit = UInt64(1) << 32

  func set(_ slot: Int, to block: BlockNumber) {
    start[slot] = UInt32(truncatingIfNeeded: block.rawValue).littleEndian
  }

  func clear(_ slot: Int) { start[slot] = 0 }
}

/// The arrays of pointers on the way from an inode to where a walk through its block map is: none may lead back to one of them. There are
/// three at most.
struct BlockMapWay: ~Copyable {
  private unowned(unsafe) let inode: Inode
  private var blocks: InlineArray<3, UInt64> = [0, 0, 0]
  private var count = 0

  init(of inode: Inode) { self.inode = inode }

  /// Goes on to the array in `block`, which `judge` has seen. EUCLEAN for a block of the file system's own.
  mutating func enter(_ block: BlockNumber) throws(Ext4Error) -> PointerArray {
    guard inode.volume.isForFiles(block) else {
      throw .corrupted(inode.number, what: "a block map leads to the file system's own blocks")
    }
    let buffer = try inode.volume.readBlock(block, of: inode.number)
    blocks[count] = block.rawValue
    count += 1
    return PointerArray(buffer, size: inode.volume.blockSize)
  }

  mutating func leave() { count -= 1 }

  func judge(_ run: BlockRun) throws(Ext4Error) {
    guard inode.volume.contains(run.first, count: run.count) else {
      throw .corrupted(inode.number, what: "a block number lies outside the file system")
    }
    for level in 0..<count where blocks[level] &- run.first.rawValue < run.count {
      throw .corrupted(inode.number, what: "a block map leads back to itself")
    }
  }
}
