import CExt2FS
import Glibc
import Journal

// Adding to a directory with an index. Every step allocates before it changes anything and leaves a valid
// directory behind, so that running out of space tears nothing.
extension Inode {
  /// Adds an entry to the leaf for its hash. False when the index makes no sense; nothing has changed then.
  func insertByHash(_ entry: NewEntry) throws(Ext4Error) -> Bool {
    var areLimitsKept = false
    // A leaf is split once. Before that each level may need a split of its own, and the root a new level.
    for _ in 0..<(2 * HashTree.maximumDepth + 2) {
      guard let tree = try HashTree(of: self) else { return false }
      let hash = tree.hash(entry.name).major
      guard let path = try tree.path(to: hash) else { return false }
      if !areLimitsKept {
        // Once is enough: what is divided below keeps to them.
        guard try tree.keepsLimits(at: path) else { return false }
        areLimitsKept = true
      }
      let leaf = try leaf(path.leaf)
      if let offset = try leaf.region.room(for: entry.recordLength) {
        try leaf.region.insert(entry, at: offset)
        try didChange(leaf.holder)
        return true
      }
      if path.lowest.node.isFull {
        try growIndex(tree, path)
      } else {
        try split(leaf, at: path, of: tree, for: entry)
      }
    }
    throw .corrupted(number, what: "the directory index does not grow")
  }

  /// Makes a directory of one block an indexed one: the entries move to a leaf of their own, the block
  /// becomes the index's root (make_indexed_dir). False, and nothing has changed, for a directory whose
  /// block has no place for a root.
  func makeIndex() throws(Ext4Error) -> Bool {
    guard let version = volume.geometry.hash.version,
      let block = try anyBlock(0), case .leaf(let buffer) = block.holder
    else { return false }
    let first = try block.region.record(at: 0)
    guard first.length == 12 else { return false }
    let second = try block.region.record(at: 12)
    guard IndexNode.areDots(first, second) else { return false }
    try block.region.validate()

    let (leaf, leafBuffer) = try appendDirectoryBlock()
    var filler = EntryRegion.Filler(leafRegion(leafBuffer))
    var records = block.region.records
    while let record = try records.next() {
      // All but "." and "..", which stay.
      if record.isUsed, records.offset > 12 { filler.append(record.copy) }
    }
    filler.finish()
    try didChange(.leaf(leafBuffer))

    _ = IndexNode(root: buffer, leaf: leaf, hash: version, in: self)
    flags.insert(.indexed)
    directoryHints.indexIsDamaged = false
    try didChange(.index(buffer))
    try store()
    return true
  }

  /// Divides the one leaf of a new index, as make_indexed_dir does, so that directories grow by the same steps as the kernel's. It
  /// has room for `entry`, since "." and ".." have left it; when the file system is full, that is enough.
  func divideFirstLeaf(for entry: NewEntry) throws(Ext4Error) {
    guard let tree = try HashTree(of: self),
      let path = try tree.path(to: tree.hash(entry.name).major)
    else { return }
    do throws(Ext4Error) {
      try split(try leaf(path.leaf), at: path, of: tree, for: entry, evenWithRoom: true)
    } catch {
      guard error.errno == .noSpace else { throw error }
    }
  }

  /// Makes room for one more entry in the node above the leaf, or does a step towards it: splits the
  /// lowest node whose parent has room, or puts a new level below a full root.
  private func growIndex(_ tree: HashTree, _ path: HashTree.Path) throws(Ext4Error) {
    var level = path.count - 1
    while level > 0, path.steps[level - 1].node.isFull { level -= 1 }
    let step = path.steps[level]
    if level > 0 {
      let half = step.node.count / 2
      let start = step.node.hash(half)
      let (block, buffer) = try appendDirectoryBlock()
      let sibling = IndexNode(buffer, takingFrom: half, of: step.node, in: self)
      let parent = path.steps[level - 1]
      try parent.node.insert(start, block, at: parent.index + 1, in: self)
      step.node.count = half
      for node in [sibling, step.node, parent.node] { try didChange(.index(node.buffer)) }
    } else {
      guard tree.depth < HashTree.depthLimit(in: self) else { throw .errno(.noSpace) }
      let (block, buffer) = try appendDirectoryBlock()
      let below = IndexNode(buffer, takingFrom: 0, of: tree.root, in: self)
      tree.root.count = 1
      tree.root.setBlock(0, block)
      tree.setDepth(tree.depth + 1)
      for node in [below, tree.root] { try didChange(.index(node.buffer)) }
    }
  }

  /// Where a used record lies in a copy of its leaf, for sorting.
  private struct Item {
    let hash: UInt32
    let offset: Int
    let length: Int
  }

  /// Divides a leaf in which `entry` found no room: the upper half by hash, measured in bytes, moves to
  /// a new block (do_split). If the leaf's room is only scattered, brings it together instead.
  private func split(
    _ leaf: DirectoryBlock, at path: HashTree.Path, of tree: HashTree, for entry: NewEntry,
    evenWithRoom: Bool = false
  ) throws(Ext4Error) {
    try leaf.region.validate()
    var items: [Item] = []
    var total = 0
    var records = leaf.region.records
    while let record = try records.next() {
      guard record.isUsed else { continue }
      items.append(
        Item(
          hash: tree.hash(record.name).major, offset: records.offset, length: record.usedLength))
      total += record.usedLength
    }
    let copy = UnsafeMutableRawPointer.allocate(byteCount: leaf.region.count, alignment: 8)
    defer { copy.deallocate() }
    copy.copyMemory(from: leaf.region.base, byteCount: leaf.region.count)

    if evenWithRoom ? items.count < 2 : total + entry.recordLength <= leaf.region.count {
      fill(leaf.region, with: items[...], of: copy)
      return try didChange(leaf.holder)
    }

    items.sort { ($0.hash, $0.offset) < ($1.hash, $1.offset) }
    var middle = items.count
    var moved = 0
    while middle > 1, moved + items[middle - 1].length / 2 <= total / 2 {
      middle -= 1
      moved += items[middle].length
    }
    guard middle < items.count else {
      throw .corrupted(number, what: "a directory block can't be divided")
    }
    let continues = items[middle - 1].hash == items[middle].hash

    let (block, buffer) = try appendDirectoryBlock()
    try path.lowest.node.insert(
      items[middle].hash | (continues ? 1 : 0), block, at: path.lowest.index + 1, in: self)
    fill(leafRegion(buffer), with: items[middle...], of: copy)
    fill(leaf.region, with: items[..<middle], of: copy)
    try didChange(.leaf(buffer))
    try didChange(leaf.holder)
    try didChange(.index(path.lowest.node.buffer))
  }

  /// Replaces all records of `region` by `items` of `copy`.
  private func fill(
    _ region: EntryRegion, with items: ArraySlice<Item>, of copy: UnsafeMutableRawPointer
  ) {
    memset(region.base, 0, region.count)
    var filler = EntryRegion.Filler(region)
    for item in items {
      filler.append(EntryRecord(address: copy + item.offset, length: item.length).copy)
    }
    filler.finish()
  }
}

extension EntryRecord {
  /// The used record as an entry to be written elsewhere.
  var copy: NewEntry { NewEntry(name: name, inode: inode, typeCode: typeCode) }
}
