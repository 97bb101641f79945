import CExt2FS
import Journal

// libext2fs splits a full node in halves and never joins two. A tree that has grown or shrunk that way is valid,
// but e2fsck offers to rebuild it. This does so first. Metadata lock held, unless it says otherwise.
extension Inode {
  /// Says that the extent tree has changed, so that it is looked at once the inode is no longer in use. A tree without
  /// nodes of its own is always compact.
  func noteTreeChange() {
    guard flags.contains(.extents) else { return }
    extentTreeChanged.store(rootNode.depth > 0, ordering: .releasing)
  }

  /// Rebuilds the extent tree with the fewest nodes if e2fsck would. It takes no block, frees those that are left over,
  /// and stores the inode. After an error the tree is as it was.
  func compactExtentTree() throws(Ext4Error) {
    // Whatever comes of it: a damaged tree would only be found damaged once more.
    extentTreeChanged.store(false, ordering: .releasing)
    guard let survey = try surveyExtentTree(), survey.isWasteful else { return }
    try rebuildExtentTree(survey)
  }

  /// The same in a step of its own that has room for the whole tree. One that is too large for a transaction stays as it is, which is
  /// valid. Metadata lock not held.
  func compactExtentTreeInOneStep() throws(Ext4Error) {
    let nodes = try volume.withMetadata { () throws(Ext4Error) in
      extentTreeChanged.store(false, ordering: .releasing)
      guard linkCount > 0, let survey = try surveyExtentTree(), survey.isWasteful else { return 0 }
      return survey.blocks.count
    }
    let credits = nodes + Credits.ordinary
    guard nodes > 0, credits <= volume.log?.maximumTransactionBlocks ?? .max else { return }
    try volume.change(credits: credits) { () throws(Ext4Error) in
      if linkCount > 0, volume.isWritable { try compactExtentTree() }
    }
  }

  /// Moves the extents of a file that has lost most of them into the inode. Reads a few nodes at most.
  func pullInExtentTree() throws(Ext4Error) {
    guard let survey = try surveyExtentTree(entriesPerLevel: rootNode.capacity), survey.isWasteful
    else { return }
    try rebuildExtentTree(survey)
  }

  /// Walks the tree level by level. Nil when it has no nodes below the inode, and when a level has more than `limit`
  /// entries.
  private func surveyExtentTree(
    entriesPerLevel limit: Int = .max
  ) throws(Ext4Error) -> ExtentTreeSurvey? {
    guard flags.contains(.extents), ownsBlocks else { return nil }
    let root = try soundRootNode()
    guard root.depth > 0 else { return nil }
    var survey = ExtentTreeSurvey(root: root, blockSize: volume.blockSize)
    for depth in (0..<root.depth).reversed() {
      let entries = survey.lowest.flatMap { Array($0.entries) }
      var nodes: [BlockCache.Buffer] = []
      for (index, entry) in entries.enumerated() {
        // First blocks that always rise keep a node from being met twice.
        let end =
          index + 1 < entries.count
          ? UInt64(entries[index + 1].logical) : ExtentNode.wholeFile.upperBound
        guard UInt64(entry.logical) < end else { throw damagedTree }
        nodes.append(try readNode(entry.child, depth: depth, of: UInt64(entry.logical)..<end))
      }
      survey.descend(to: nodes)
      guard survey.levels[survey.levels.count - 1].entries <= limit else { return nil }
    }
    return survey
  }

  /// The extents in `leaves`, as few as they can be.
  private func mergedExtents(in leaves: [ExtentNode]) throws(Ext4Error) -> [Extent] {
    var extents: [Extent] = []
    for entry in leaves.lazy.flatMap(\.entries) {
      let next = entry.extent
      guard next.count > 0, next.end <= UInt64(1) << 32,
        volume.contains(next.physical, count: UInt64(next.count)),
        extents.last?.end ?? 0 <= UInt64(next.logical)
      else { throw damagedTree }
      if let last = extents.last, last.isContinued(by: next),
        last.count + next.count <= Extent.maximumCount(isUnwritten: next.isUnwritten)
      {
        extents[extents.count - 1].count += next.count
      } else {
        extents.append(next)
      }
    }
    return extents
  }

  private func rebuildExtentTree(_ survey: ExtentTreeSurvey) throws(Ext4Error) {
    let extents = try mergedExtents(in: survey.lowest)
    // All that can fail comes first: this brings the inode's block into memory, which checksums need as well.
    try store()

    // There are enough blocks: on no level did the old nodes hold more than the full ones that take their place.
    var spare = survey.blocks[...]
    var entries = extents.map { ExtentNode.Entry($0) }
    var depth = 0
    while entries.count > rootNode.capacity {
      var parents: [ExtentNode.Entry] = []
      for start in stride(from: 0, to: entries.count, by: survey.blockCapacity) {
        let buffer = spare.removeFirst()
        let node = ExtentNode(buffer.data, size: volume.blockSize)
        let end = min(start + survey.blockCapacity, entries.count)
        node.fill(with: entries[start..<end], depth: depth)
        try check(
          ext2fs_extent_block_csum_set(volume.fs, number.rawValue, node.header),
          "the checksum of an extent tree's node", number)
        buffer.verifiedAs = nil
        volume.cache.markDirty(buffer)
        parents.append(.init(child: buffer.block, logical: entries[start].logical))
      }
      entries = parents
      depth += 1
    }
    rootNode.fill(with: entries[...], depth: depth)
    for buffer in spare { try volume.freeMetadataBlock(buffer.block, of: self) }
    try store()
  }

  var damagedTree: Ext4Error { .corrupted(number, what: "the extent tree is damaged") }
}

/// What there is of an extent tree, from the root down to the level that was reached.
private struct ExtentTreeSurvey {
  struct Level {
    var entries: Int
    /// Entries that e2fsck thinks there is room for.
    var room: Int
  }

  private(set) var levels: [Level]
  /// The nodes of the lowest level.
  private(set) var lowest: [ExtentNode]
  /// The blocks of all nodes, lower levels first.
  private(set) var blocks: [BlockCache.Buffer] = []
  let blockSize: Int

  init(root: ExtentNode, blockSize: Int) {
    levels = [Level(entries: root.entryCount, room: root.maximumEntryCount)]
    lowest = [root]
    self.blockSize = blockSize
  }

  mutating func descend(to nodes: [BlockCache.Buffer]) {
    lowest = nodes.map { ExtentNode($0.data, size: blockSize) }
    blocks = nodes + blocks
    let level = lowest.reduce(into: Level(entries: 0, room: 0)) { level, node in
      level.entries += node.entryCount
      // One entry may stay free in a node that is not full: that is how appending leaves it.
      level.room += max(node.entryCount, node.maximumEntryCount - 1)
    }
    levels.append(level)
  }

  var blockCapacity: Int { ExtentNode.capacity(ofSize: blockSize) }

  /// The rule of e2fsck_should_rebuild_extents (e2fsck/extents.c): a level could do with a node less, or its entries would
  /// fit into a level above.
  var isWasteful: Bool {
    levels.indices.contains { index in
      levels[index].room - levels[index].entries > blockCapacity
        || levels[..<index].contains { levels[index].entries < $0.room }
    }
  }
}
