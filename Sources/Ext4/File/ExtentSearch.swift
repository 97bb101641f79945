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
  /// The way from the root to the node at hand, without that. Most files have no node but the root, for which this takes no memory.
  private var above: [Step] = []
  /// A leaf, between searches; nil before the first and behind the last extent.
  private var step: Step?

  init(of inode: Inode) { self.inode = inode }

  /// The extent that covers `block`, or else the first behind it; nil when there is none.
  mutating func extent(coveringOrBehind block: UInt32) throws(Ext4Error) -> Extent? {
    try place(at: block)
    guard let leaf = step, leaf.node.entryCount > 0 else { return nil }
    let extent = leaf.node.entry(at: leaf.index).extent
    return extent.end > UInt64(block) ? extent : try next()
  }

  /// The extent that ends at `block`, if there is one.
  mutating func extent(endingAt block: UInt32) throws(Ext4Error) -> Extent? {
    guard block > 0 else { return nil }
    try place(at: block - 1)
    guard let leaf = step, leaf.node.entryCount > 0 else { return nil }
    let extent = leaf.node.entry(at: leaf.index).extent
    return extent.end == UInt64(block) ? extent : nil
  }

  /// The extent behind the last that was found; nil behind the last of all.
  mutating func next() throws(Ext4Error) -> Extent? {
    while let last = step, last.index + 1 >= last.node.entryCount { step = above.popLast() }
    guard var last = step else { return nil }
    last.index += 1
    while last.node.depth > 0 { last = try below(last) { _ in 0 } }
    step = last
    return last.node.entry(at: last.index).extent
  }

  /// Goes to the last extent that begins at `block` or before it, or to the first of a leaf that has none.
  private mutating func place(at block: UInt32) throws(Ext4Error) {
    above.removeAll(keepingCapacity: true)
    step = nil
    let root = try inode.soundRootNode()
    let index = { (node: ExtentNode) in node.lastEntry(beginningAtOrBefore: block) }
    var last = Step(node: root, index: index(root), range: ExtentNode.wholeFile)
    while last.node.depth > 0 { last = try below(last, index) }
    step = last
  }

  /// Goes one level down, by the entry that was taken.
  private mutating func below(
    _ step: Step, _ index: (ExtentNode) -> Int
  ) throws(Ext4Error) -> Step {
    guard step.node.entryCount > 0 else { throw inode.damagedTree }
    let range = step.rangeBelow
    let buffer = try inode.readNode(
      step.node.entry(at: step.index).child, depth: step.node.depth - 1, of: range)
    let node = ExtentNode(buffer.data, size: inode.volume.blockSize)
    above.append(step)
    return Step(node: node, index: index(node), range: range)
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
    guard volume.isForFiles(block) else { throw damagedTree }
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
