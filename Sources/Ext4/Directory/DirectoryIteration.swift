import Glibc
import Journal

extension Inode {
  typealias EntryVisitor = (
    _ name: UnsafeRawBufferPointer, _ inode: InodeNumber, _ type: FileType?, _ next: UInt64
  ) -> Bool

  /// Calls `body` for each entry from `cookie` on, 0 for all of them, until it returns false. `next` is the
  /// cookie with which to go on behind the entry; the name is valid during the call only, and `body` must
  /// not change the directory.
  ///
  /// A walk that follows the cookies meets an entry that exists throughout exactly once, whatever else is added or removed
  /// meanwhile: cookies are hashes of names where the directory has an index or could get one, else positions. Cookies are
  /// below 2^63.
  ///
  /// EUCLEAN for an entry with an impossible name or inode; `body` may have been called for others before.
  func forEachEntry(from cookie: UInt64, _ body: EntryVisitor) throws(Ext4Error) {
    guard isDirectory else { throw .errno(.notDirectory) }
    guard cookie < 1 << 63 else { return }
    if let end = directoryHints.listingEnd, cookie >= end { return }
    if flags.contains(.inlineData) {
      let regions = try inlineRegions()
      if let hash = defaultHash {
        var run = HashRun(hash)
        let code = typeCode(for: .directory)
        run.add(FileName.current.bytes, number.rawValue, code)
        run.add(FileName.parent.bytes, try inlineParent().rawValue, code)
        for region in regions { try run.add(region) }
        directoryHints.listingEnd = try run.visit(self, from: cookie, body)
      } else {
        try forEachInline(regions, from: cookie, body)
      }
    } else if usesIndex {
      if try forEachByIndex(from: cookie, body) { return }
      directoryHints.indexIsDamaged = true
      // A cookie of the index is a hash and no position: a walk that has begun by the index cannot go on by positions.
      guard cookie == 0 else {
        throw .corrupted(number, what: "the directory index is damaged")
      }
      try forEachByPosition(from: cookie, body)
    } else if !flags.contains(.indexed), let hash = defaultHash,
      try directoryBlockCount() == 1, let block = try anyBlock(0)
    {
      var run = HashRun(hash)
      try run.add(block.region)
      directoryHints.listingEnd = try run.visit(self, from: cookie, body)
    } else {
      try forEachByPosition(from: cookie, body)
    }
  }

  /// The hash that an index of this directory would use if it got one; nil when it wouldn't.
  private var defaultHash: DirectoryHash? {
    guard hasDirectoryIndexFeature,
      let version = volume.geometry.hash.version
    else { return nil }
    return DirectoryHash(version, volume.geometry.hash)
  }

  /// In the order of the index. False, without a call of `body`, when the index makes no sense.
  private func forEachByIndex(
    from start: UInt64, _ body: EntryVisitor
  ) throws(Ext4Error) -> Bool {
    guard let tree = try HashTree(of: self),
      var path = try tree.path(to: UInt32(truncatingIfNeeded: start >> 32) << 1)
    else { return false }
    var cookie = start
    var run = HashRun(tree.hash)
    try run.add(region(tree.root.buffer.data, volume.blockSize))
    var leavesLeft = try directoryBlockCount()
    while true {
      let lowest = tree.start(of: path)
      var next: UInt32?
      try volume.requireCaller()
      var leavesOfRun = HashTree.largestRun >> volume.blockShift
      repeat {
        guard leavesLeft > 0, leavesOfRun > 0 else { throw tree.damage }
        leavesLeft -= 1
        leavesOfRun -= 1
        try run.add(try leaf(path.leaf).region)
        do throws(Ext4Error) {
          next = try tree.advance(&path)
        } catch {
          // The names behind are found by position, if the caller begins anew.
          if case .corrupted = error { directoryHints.indexIsDamaged = true }
          throw error
        }
        // Leaves that share a hash are one run: only together can they be sorted.
      } while next.map { $0 & 1 == 1 } ?? false
      let highest = next.map { $0 < 2 ? 0 : $0 - 2 } ?? UInt32.max
      run.confine(to: lowest, highest)
      guard let reached = try run.visit(self, from: cookie, body) else { return true }
      cookie = reached
      guard next != nil else {
        directoryHints.listingEnd = reached
        return true
      }
      run.removeAll()
    }
  }

  /// In the order of the blocks, for a directory whose entries stay where they are.
  private func forEachByPosition(
    from cookie: UInt64, _ body: EntryVisitor
  ) throws(Ext4Error) {
    let count = try directoryBlockCount()
    guard cookie >> volume.blockShift < UInt64(count) else { return }
    for number in UInt32(cookie >> volume.blockShift)..<count {
      try askForCaller(at: number)
      guard let block = try anyBlock(number) else {
        if isBehindAllBlocks(number) { return }
        continue
      }
      let base = UInt64(number) << volume.blockShift
      guard try forEach(in: block.region, at: base, from: cookie, body) else { return }
    }
  }

  /// Visits the records of `region` that start at `cookie` or behind it, where the region itself starts at
  /// `base`. It may be that no record starts at `cookie` any more: the one there was removed.
  private func forEach(
    in region: EntryRegion, at base: UInt64, from cookie: UInt64, _ body: EntryVisitor
  ) throws(Ext4Error) -> Bool {
    var records = region.records
    while let record = try records.next() {
      let position = base + UInt64(records.offset)
      guard record.isUsed, position >= cookie else { continue }
      let entry = try listable(record)
      if !body(record.name, entry.inode, entry.type, position + UInt64(record.length)) {
        return false
      }
    }
    return true
  }

  /// Positions as the entries would have in a block, behind "." and ".." (ext4_read_inline_dir).
  private func forEachInline(
    _ regions: [EntryRegion], from cookie: UInt64, _ body: EntryVisitor
  ) throws(Ext4Error) {
    if cookie == 0, !body(FileName.current.bytes, number, .directory, 12) { return }
    if cookie <= 12, !body(FileName.parent.bytes, try inlineParent(), .directory, 24) { return }
    var base: UInt64 = 24
    for region in regions {
      guard try forEach(in: region, at: base, from: cookie, body) else { return }
      base += UInt64(region.count)
    }
  }

  /// What `record` says, once its name has turned out to be possible.
  private func listable(_ record: EntryRecord) throws(Ext4Error) -> DirectoryEntry {
    try requireListable(record.name)
    return try entry(record.inode, typeCode: record.typeCode)
  }

  fileprivate func requireListable(_ name: UnsafeRawBufferPointer) throws(Ext4Error) {
    guard !name.isEmpty, FileName.isClean(name) else {
      throw .corrupted(number, what: "a directory entry has an impossible name")
    }
  }
}

/// Entries that are visited together, in the order of their hashes. Borrows their names.
private struct HashRun {
  private struct Item {
    var position: UInt64
    let name: UnsafeRawBufferPointer
    let inode: UInt32
    let typeCode: UInt8
  }

  /// Bytes of a record.
  private static let typicalLength = 20

  private let hash: DirectoryHash
  private var items: [Item] = []

  init(_ hash: DirectoryHash) { self.hash = hash }

  mutating func removeAll() { items.removeAll(keepingCapacity: true) }

  mutating func add(_ region: EntryRegion) throws(Ext4Error) {
    if items.isEmpty { items.reserveCapacity(region.count / Self.typicalLength) }
    var records = region.records
    while let record = try records.next() {
      if record.isUsed { add(record.name, record.inode, record.typeCode) }
    }
  }

  /// "." and ".." come first, as if they hashed to 0 and 2 (ext4_htree_fill_tree).
  mutating func add(_ name: UnsafeRawBufferPointer, _ inode: UInt32, _ typeCode: UInt8) {
    let position: UInt64 =
      if FileName.current.matches(name) {
        0
      } else if FileName.parent.matches(name) {
        1 << 32
      } else {
        hash.position(of: name)
      }
    items.append(Item(position: position, name: name, inode: inode, typeCode: typeCode))
  }

  /// Moves entries that are in a wrong leaf, where a lookup can't find them, to the edges of the hashes
  /// `lowest` to `highest`: without order the cookies would lead past other entries.
  mutating func confine(to lowest: UInt32, _ highest: UInt32) {
    for index in items.indices {
      let position = items[index].position
      let hash = min(max(UInt32(truncatingIfNeeded: position >> 32), lowest >> 1), highest >> 1)
      items[index].position = UInt64(hash) << 32 | position & 0xFFFF_FFFF
    }
  }

  /// Visits the entries from `cookie` on. Returns where to go on, nil when `body` has had enough.
  mutating func visit(
    _ directory: Inode, from cookie: UInt64, _ body: Inode.EntryVisitor
  ) throws(Ext4Error) -> UInt64? {
    sort()
    let format = directory.entryFormat
    var reached = cookie
    // Of entries with the same position all but the first move up a little, so that each has its own.
    var free: UInt64 = 0
    for item in items {
      let position = max(item.position, free)
      free = position + 1
      guard position >= cookie else { continue }
      try directory.requireListable(item.name)
      let entry = try format.entry(item.inode, typeCode: item.typeCode)
      guard body(item.name, entry.inode, entry.type, free) else { return nil }
      reached = free
    }
    return reached
  }

  /// By position, then by name. Hashes are spread evenly, so that once the items lie by the leading bits of their positions there is
  /// little left to compare.
  private mutating func sort() {
    let lowest = items.reduce(UInt64.max) { min($0, $1.position) }
    let highest = items.reduce(0) { max($0, $1.position) }
    guard items.count > 2 * Self.buckets, highest > lowest else { return Self.sort(&items[...]) }
    let shift = max(UInt64.bitWidth - (highest - lowest).leadingZeroBitCount - Self.bucketBits, 0)
    func bucket(_ item: Item) -> Int { Int((item.position - lowest) >> UInt64(shift)) }

    var ends = [Int](repeating: 0, count: Self.buckets)
    for item in items { ends[bucket(item)] += 1 }
    for index in 1..<Self.buckets { ends[index] += ends[index - 1] }
    let unsorted = items
    var start = ends
    for item in unsorted.reversed() {
      start[bucket(item)] -= 1
      items[start[bucket(item)]] = item
    }
    for index in 0..<Self.buckets where ends[index] - start[index] > 1 {
      Self.sort(&items[start[index]..<ends[index]])
    }
  }

  private static let bucketBits = 6
  private static let buckets = 1 << bucketBits

  private static func sort(_ items: inout ArraySlice<Item>) {
    items.sort { a, b in
      a.position != b.position ? a.position < b.position : precedes(a.name, b.name)
    }
  }

  private static func precedes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard let first = a.baseAddress, let second = b.baseAddress else { return a.count < b.count }
    let order = memcmp(first, second, min(a.count, b.count))
    return order != 0 ? order < 0 : a.count < b.count
  }
}
