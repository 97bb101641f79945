import Journal

/// The hash index of a directory (htree): leads from a name's hash to the leaf that holds the name.
///
/// All functions tell a damaged block (EUCLEAN, thrown) from an index that makes no sense (nil): without
/// the index every name can still be found by a scan, which is what the kernel does then
/// (ERR_BAD_DX_DIR in fs/ext4/namei.c). Hashes that are not in order make no sense, in a node or against the range that the entry above
/// leaves it: a new name would go to a leaf where e2fsck does not expect it. The kernel does not look at their order.
struct HashTree {
  /// The largest number of nodes between a root and a leaf, the root included (EXT4_HTREE_LEVEL).
  static let maximumDepth = 3
  /// Bytes of leaves that may share hashes with their neighbours, one after the other: names that are not made for it do not fill a
  /// second one.
  static let largestRun: UInt64 = 16 << 20

  let directory: Inode
  let root: IndexNode
  let hash: DirectoryHash
  /// Nodes between the directory and a leaf: 1 for the root alone.
  let depth: Int
  private let blockCount: UInt32

  /// How many nodes may lie on the way to a leaf: 2, or 3 with the large_dir feature.
  static func depthLimit(in directory: Inode) -> Int {
    directory.volume.features.incompatible.contains(.largeDirectory) ? maximumDepth : 2
  }

  /// Nil when the root makes no sense or wants a hash function that is not known here.
  init?(of directory: Inode) throws(Ext4Error) {
    guard let buffer = try directory.directoryBuffer(0) else {
      throw .corrupted(directory.number, what: "a directory has no first block")
    }
    guard let root = try Self.orderedNode(buffer, of: directory), root.isRoot else { return nil }
    let info = buffer.data + 24
    guard info.load(as: UInt32.self) == 0,
      let version = HashVersion(rawValue: info.load(fromByteOffset: 4, as: UInt8.self)),
      info.load(fromByteOffset: 7, as: UInt8.self) & 1 == 0
    else { return nil }
    let depth = Int(info.load(fromByteOffset: 6, as: UInt8.self)) + 1
    guard depth <= Self.depthLimit(in: directory) else { return nil }
    self.directory = directory
    self.root = root
    self.depth = depth
    hash = DirectoryHash(version, directory.volume.geometry.hash)
    blockCount = try directory.directoryBlockCount()
  }

  /// Says in the root how many nodes are on the way to a leaf. The root's owner signs it.
  func setDepth(_ depth: Int) {
    root.buffer.data.storeBytes(
      of: UInt8(truncatingIfNeeded: depth - 1), toByteOffset: 30, as: UInt8.self)
  }

  /// The way from the root to a leaf: at each level a node and which of its entries was taken.
  struct Path {
    struct Step {
      let node: IndexNode
      var index: Int
    }

    fileprivate(set) var steps: InlineArray<3, Step>
    fileprivate(set) var count: Int

    fileprivate init(root: Step) {
      steps = InlineArray(repeating: root)
      count = 1
    }

    var lowest: Step { steps[count - 1] }

    /// Whether it leads to the first leaf of all.
    var isFirst: Bool {
      for level in 0..<count where steps[level].index > 0 { return false }
      return true
    }

    /// The leaf's block.
    var leaf: UInt32 { lowest.node.block(lowest.index) }

    fileprivate func uses(_ buffer: BlockCache.Buffer) -> Bool {
      for level in 0..<count where steps[level].node.buffer === buffer { return true }
      return false
    }
  }

  /// The way to the first leaf in which a name with the major hash `hash` may be.
  func path(to hash: UInt32) throws(Ext4Error) -> Path? {
    var path = Path(root: Path.Step(node: root, index: root.index(of: hash)))
    while path.count < depth {
      guard let node = try child(of: path) else { return nil }
      path.steps[path.count] = Path.Step(node: node, index: node.index(of: hash))
      path.count += 1
    }
    guard isPossible(path.leaf) else { return nil }
    return path
  }

  /// Whether the leaves on both sides of each limit that `path` is at keep to it. To be asked before a name is added to the leaf of `path`.
  ///
  /// E2fsck sees to the limits within a lowest node. Of those between two such nodes, which stand in the nodes above, it knows only that
  /// the names in front are not behind those that follow (update_parents in e2fsck/pass2.c). A name on the wrong side of one
  /// would make it find the index invalid.
  func keepsLimits(at path: Path) throws(Ext4Error) -> Bool {
    guard depth > 1 else { return true }
    guard let range = range(of: path) else { return false }
    if path.lowest.index == 0, !path.isFirst {
      guard let before = try neighbour(of: path, -1) else { return false }
      if let hashes = try hashes(in: before.leaf), hashes.upperBound > range.lowerBound {
        return false
      }
    }
    if path.lowest.index + 1 == path.lowest.node.count, nextStart(after: path) != nil {
      guard let behind = try neighbour(of: path, 1) else { return false }
      if let hashes = try hashes(in: behind.leaf), hashes.lowerBound < range.upperBound {
        return false
      }
    }
    return true
  }

  /// The way to the leaf behind that of `path`, or with a `step` of -1 to the one before it. There is one, unless the index makes no sense:
  /// nil.
  private func neighbour(of path: Path, _ step: Int) throws(Ext4Error) -> Path? {
    var other = path
    while true {
      let lowest = other.lowest
      if (0..<lowest.node.count).contains(lowest.index + step) { break }
      guard other.count > 1 else { return nil }
      other.count -= 1
    }
    other.steps[other.count - 1].index += step
    while other.count < depth {
      guard let node = try child(of: other) else { return nil }
      other.steps[other.count] = Path.Step(node: node, index: step < 0 ? node.count - 1 : 0)
      other.count += 1
    }
    return isPossible(other.leaf) ? other : nil
  }

  /// The lowest and the highest hash of the names in a leaf; nil when it is empty.
  private func hashes(in leaf: UInt32) throws(Ext4Error) -> ClosedRange<UInt32>? {
    var found: ClosedRange<UInt32>?
    var records = try directory.leaf(leaf).region.records
    while let record = try records.next() {
      guard record.isUsed else { continue }
      let hash = hash(record.name).major
      found = min(found?.lowerBound ?? hash, hash)...max(found?.upperBound ?? hash, hash)
    }
    return found
  }

  /// Moves `path` on to the next leaf and returns the hash that this leaf starts with: its lowest bit is
  /// set when names with that hash are in the leaf before as well. Nil behind the last leaf. EUCLEAN when
  /// there is no way on.
  func advance(_ path: inout Path) throws(Ext4Error) -> UInt32? {
    guard let start = nextStart(after: path) else { return nil }
    while path.steps[path.count - 1].index + 1 >= path.steps[path.count - 1].node.count {
      path.count -= 1
    }
    path.steps[path.count - 1].index += 1
    while path.count < depth {
      guard let node = try child(of: path) else { throw damage }
      path.steps[path.count] = Path.Step(node: node, index: 0)
      path.count += 1
    }
    guard isPossible(path.leaf) else { throw damage }
    return start
  }

  /// The hash that the leaf behind `path` starts with, as in `advance`; nil when there is none.
  func nextStart(after path: Path) -> UInt32? {
    for level in stride(from: path.count - 1, through: 0, by: -1) {
      let step = path.steps[level]
      if step.index + 1 < step.node.count { return step.node.hash(step.index + 1) }
    }
    return nil
  }

  /// The hash that the leaf of `path` starts with.
  func start(of path: Path) -> UInt32 {
    for level in stride(from: path.count - 1, through: 0, by: -1) {
      let step = path.steps[level]
      if step.index > 0 { return step.node.hash(step.index) }
    }
    return 0
  }

  /// What to throw when a walk has met more leaves than the directory has blocks.
  var damage: Ext4Error { .corrupted(directory.number, what: "the directory index is damaged") }

  /// Finds `name` by its hash. `isSound` becomes false when the index must not be relied on.
  func find(
    _ name: FileName, isSound: inout Bool
  ) throws(Ext4Error) -> (DirectoryBlock, EntryRegion.Match)? {
    let hash = hash(name.bytes).major
    guard var path = try path(to: hash) else {
      isSound = false
      return nil
    }
    var visits: UInt64 = 0
    while true {
      let leaf = try directory.leaf(path.leaf)
      if let match = try leaf.region.find(name) { return (leaf, match) }
      // The hash goes on in the next leaf only if that one starts with it and is marked so.
      guard let next = nextStart(after: path), next & ~1 == hash else { return nil }
      visits += 1
      guard visits < min(UInt64(blockCount), Self.largestRun >> directory.volume.blockShift),
        try advance(&path) != nil
      else { throw damage }
    }
  }

  /// The hashes that may stand below the entry that `path` ends with, all even. The highest may go on behind them.
  func range(of path: Path) -> ClosedRange<UInt32>? {
    let lowest = start(of: path) & ~1
    let highest = (nextStart(after: path) ?? .max) & ~1
    return lowest <= highest ? lowest...highest : nil
  }

  private func child(of path: Path) throws(Ext4Error) -> IndexNode? {
    guard isPossible(path.leaf), let buffer = try directory.directoryBuffer(path.leaf) else {
      return nil
    }
    // No node lies on the way to itself.
    guard !path.uses(buffer), let node = try Self.orderedNode(buffer, of: directory), !node.isRoot,
      let range = range(of: path), node.fits(range)
    else { return nil }
    return node
  }

  /// Block 0 is the root; everything else lies within the directory.
  private func isPossible(_ block: UInt32) -> Bool { block > 0 && block < blockCount }

  /// Nil for what is no node, and for one whose hashes are not in order. That is judged once, when the block has been read.
  private static func orderedNode(
    _ buffer: BlockCache.Buffer, of directory: Inode
  ) throws(Ext4Error) -> IndexNode? {
    let node = IndexNode(buffer, of: directory)
    guard buffer.verifiedAs != .directoryIndex else { return node }
    if directory.hasDirectoryChecksums {
      guard let node,
        DirectoryChecksum(of: directory).indexMatches(buffer.data, used: node.usedLength)
      else {
        throw .corrupted(directory.number, what: "a directory index block has a bad checksum")
      }
    }
    guard let node, node.isOrdered else { return nil }
    buffer.verifiedAs = .directoryIndex
    return node
  }
}
