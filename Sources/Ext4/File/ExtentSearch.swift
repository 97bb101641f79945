import CExt2FS
import Journal

/// Finds extents in the tree of a file. Metadata lock held for as long as it lives.
///
/// Whatever the image says, a search ends, and what it returns covers what was asked for or lies behind it: each node on the way was
/// judged (`ExtentNode.isOrdered`), and the range of the file that a node may describe is the one that its entry above leaves
/// it. So no node is met twice, and at most `ExtentNode.maximumDepth` of them lie on a way.
struct ExtentSearch {
  private struct Step {
    let node: ExtentNode
    /// The entry that was taken.
    var index: Int
    /// The blocks of the file that the node may describe.
    let range: Range<UInt64>

    /// What the entry may describe.
    var rangeBelow: Range<UInt64> {
      let next = index + 1
      return UInt64(
        node.entry(at: index).logical)..<(next < node.entryCount
        ? UInt64(node.entry(at: next).logical) : range.upperBound)
    }
  }

  private unowned(unsafe) let inode: Inode
  /// From the root to a leaf; empty before the first search and behind the last extent.
  private var path: [Step] = []

  init(of inode: Inode) {
    self.inode = inode
    path.reserveCapacity(ExtentNode.maximumDepth + 1)
  }

  /// The extent that covers `block`, or else the first behind it; nil when there is none.
  mutating func extent(coveringOrBehind block: UInt32) throws(Ext4Error) -> Extent? {
    try place(at: block)
    guard let leaf = path.last, leaf.node.entryCount > 0 else { return nil }
    let extent = leaf.node.entry(at: leaf.index).extent
    return extent.end > UInt64(block) ? extent : try next()
  }

  /// The extent that ends at `block`, if there is one.
  mutating func extent(endingAt block: UInt32) throws(Ext4Error) -> Extent? {
    guard block > 0 else { return nil }
    try place(at: block - 1)
    guard let leaf = path.last, leaf.node.entryCount > 0 else { return nil }
    let extent = leaf.node.entry(at: leaf.index).extent
    return extent.end == UInt64(block) ? extent : nil
  }

  /// The extent behind the last that was found; nil behind the last of all.
  mutating func next() throws(Ext4Error) -> Extent? {
    while let step = path.last, step.index + 1 >= step.node.entryCount { path.removeLast() }
    guard !path.isEmpty else { return nil }
    path[path.count - 1].index += 1
    while path[path.count - 1].node.depth > 0 { try descend { _ in 0 } }
    let leaf = path[path.count - 1]
    return leaf.node.entry(at: leaf.index).extent
  }

  /// Goes to the last extent that begins at `block` or before it, or to the first of a leaf that has none.
  private mutating func place(at block: UInt32) throws(Ext4Error) {
    path.removeAll(keepingCapacity: true)
    let root = try inode.soundRootNode()
    let index = { (node: ExtentNode) in node.lastEntry(beginningAtOrBefore: block) }
    path.append(Step(node: root, index: index(root), range: ExtentNode.wholeFile))
    while path[path.count - 1].node.depth > 0 { try descend(index) }
  }

  private mutating func descend(_ index: (ExtentNode) -> Int) throws(Ext4Error) {
    let step = path[path.count - 1]
    guard step.node.entryCount > 0 else { throw inode.damagedTree }
    let range = step.rangeBelow
    let buffer = try inode.readNode(
      step.node.entry(at: step.index).child, depth: step.node.depth - 1, of: range)
    let node = ExtentNode(buffer.data, size: inode.volume.blockSize)
    path.append(Step(node: node, index: index(node), range: range))
  }
}

extension Inode {
  /// The root of the extent tree, judged. Metadata lock held, for all of this.
  func soundRootNode() throws(Ext4Error) -> ExtentNode {
    let root = rootNode
    guard root.isValid, root.isOrdered(on: volume), root.fits(ExtentNode.wholeFile) else {
      throw damagedTree
    }
    return root
  }

  private var hasExtentChecksums: Bool {
    volume.features.readOnlyCompatible.contains(.metadataChecksums)
  }

  /// The node in `block`, judged, which lies `depth` levels above the leaves and describes blocks of the file in `range` only.
  func readNode(
    _ block: BlockNumber, depth: Int, of range: Range<UInt64>
  ) throws(Ext4Error) -> BlockCache.Buffer {
    let buffer = try volume.readBlock(block, of: number)
    let node = ExtentNode(buffer.data, size: volume.blockSize)
    // The header comes first, each time: on a damaged image the block may have been judged as another tree's, or another level's.
    guard node.isValid, node.depth == depth, node.entryCount > 0 else { throw damagedTree }
    if buffer.verifiedAs != .extents {
      guard !hasExtentChecksums || node.checksum(of: self) == node.storedChecksum,
        node.isOrdered(on: volume)
      else { throw damagedTree }
      buffer.verifiedAs = .extents
    }
    guard node.fits(range) else { throw damagedTree }
    return buffer
  }
}
