import CExt2FS
import IomapCache
import Journal

/// Consecutive blocks of a file that lie consecutively on the device.
struct Extent {
  var logical: UInt32
  var physical: BlockNumber
  var count: UInt32
  /// Allocated but never written: reads as zeros.
  var isUnwritten: Bool

  /// The most blocks one extent can have: bit 15 of its length says "unwritten" (EXT_INIT_MAX_LEN,
  /// EXT_UNWRITTEN_MAX_LEN in fs/ext4/ext4_extents.h).
  static func maximumCount(isUnwritten: Bool) -> UInt32 { isUnwritten ? 32767 : 32768 }

  var end: UInt64 { UInt64(logical) + UInt64(count) }

  /// The blocks [`start`, `stop`), which must lie within.
  func part(from start: UInt64, to stop: UInt64) -> Extent {
    Extent(
      logical: UInt32(start), physical: physical + (start - UInt64(logical)),
      count: UInt32(stop - start), isUnwritten: isUnwritten)
  }

  func isContinued(by next: Extent) -> Bool {
    end == UInt64(next.logical) && isUnwritten == next.isUnwritten
      && physical + UInt64(count) == next.physical
  }

  func mapping(blockShift: UInt64) -> Mapping {
    Mapping(
      offset: FileOffset(UInt64(logical) << blockShift), length: UInt64(count) << blockShift,
      address: DeviceOffset(physical.rawValue << blockShift),
      kind: isUnwritten ? .unwritten : .mapped)
  }

  fileprivate init(_ extent: ext2fs_extent) {
    logical = UInt32(truncatingIfNeeded: extent.e_lblk)
    physical = BlockNumber(extent.e_pblk)
    count = extent.e_len
    isUnwritten = extent.e_flags & UInt32(EXT2_EXTENT_FLAGS_UNINIT) != 0
  }

  init(logical: UInt32, physical: BlockNumber, count: UInt32, isUnwritten: Bool) {
    self.logical = logical
    self.physical = physical
    self.count = count
    self.isUnwritten = isUnwritten
  }

  fileprivate var raw: ext2fs_extent {
    ext2fs_extent(
      e_pblk: physical.rawValue, e_lblk: UInt64(logical), e_len: count,
      e_flags: isUnwritten ? UInt32(EXT2_EXTENT_FLAGS_UNINIT) : 0)
  }
}

/// A cursor with which to change the extent tree of an inode. Metadata lock held for as long as it lives.
///
/// It is libext2fs's, which believes what it reads: it goes nowhere but where an `ExtentSearch` has been before, which judges the nodes.
/// Changes go to the inode in memory and to its tree's blocks; the caller stores the inode.
struct ExtentTree: ~Copyable {
  private let inode: Inode
  private let handle: ext2_extent_handle_t

  init(of inode: Inode) throws(Ext4Error) {
    // Its depth says how much memory libext2fs takes for the handle.
    _ = try inode.soundRootNode()
    var handle: ext2_extent_handle_t?
    let code = inode.withRaw {
      ext2fs_extent_open2(inode.volume.fs, inode.number.rawValue, $0, &handle)
    }
    try check(code, "opening the extent tree", inode.number)
    guard let handle else { throw .corrupted(inode.number, what: "the extent tree is missing") }
    self.inode = inode
    self.handle = handle
  }

  deinit { ext2fs_extent_free(handle) }

  /// The extent where the cursor stands; nil in an empty tree.
  private func current() throws(Ext4Error) -> Extent? {
    var raw = ext2fs_extent()
    switch Int(ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &raw)) {
    case 0: break
    case Int(EXT2_ET_NO_CURRENT_NODE), Int(EXT2_ET_EXTENT_NOT_FOUND): return nil
    case let code: throw failure(code)
    }
    guard raw.e_flags & UInt32(EXT2_EXTENT_FLAGS_LEAF) != 0 else { return nil }
    // The way here was judged; that libext2fs has gone the same is seen by what it has found.
    guard raw.e_len > 0, raw.e_lblk <= UInt64(UInt32.max),
      raw.e_lblk + UInt64(raw.e_len) <= ExtentNode.wholeFile.upperBound,
      inode.volume.contains(BlockNumber(raw.e_pblk), count: UInt64(raw.e_len))
    else { throw inode.damagedTree }
    return Extent(raw)
  }

  /// Adds an extent where the file has a hole, as part of a neighbour where it continues one.
  func insert(_ new: Extent) throws(Ext4Error) {
    var search = ExtentSearch(of: inode)
    if let behind = try search.extent(coveringOrBehind: new.logical),
      UInt64(behind.logical) < new.end
    {
      throw .corrupted(inode.number, what: "a block that should be a hole is mapped")
    }
    let code = Int(ext2fs_extent_goto(handle, UInt64(new.logical)))
    guard code == Int(EXT2_ET_EXTENT_NOT_FOUND) || code == Int(EXT2_ET_NO_CURRENT_NODE) else {
      throw code == 0 ? inode.damagedTree : failure(code)
    }
    guard let nearest = try current() else {
      return try insert(new, after: false)
    }
    let limit = Extent.maximumCount(isUnwritten: new.isUnwritten)
    if nearest.isContinued(by: new), nearest.count + new.count <= limit {
      var grown = nearest
      grown.count += new.count
      return try replace(with: grown)
    }
    if new.isContinued(by: nearest), nearest.count + new.count <= limit {
      var grown = new
      grown.count += nearest.count
      try replace(with: grown)
      return try fixParents()
    }
    try insert(new, after: nearest.logical < new.logical)
    try fixParents()
  }

  /// Marks [`first`, `end`), all of it unwritten now, as written.
  func convert(from first: UInt32, to end: UInt64) throws(Ext4Error) {
    var position = UInt64(first)
    while position < end {
      var search = ExtentSearch(of: inode)
      guard position < ExtentNode.wholeFile.upperBound,
        let extent = try search.extent(coveringOrBehind: UInt32(position)), extent.isUnwritten,
        UInt64(extent.logical) <= position
      else { throw .corrupted(inode.number, what: "an unwritten extent is not where it was") }
      try goto(extent)
      let stop = min(end, extent.end)
      try convert(from: UInt32(position), to: stop, partOf: extent)
      position = stop
    }
  }

  /// Takes out the first extent, or part of one, that lies in [`first`, `end`), and returns it; nil when there is none. Its
  /// blocks are the caller's to free, for which `prepare` is called with them before anything changes.
  func removeExtent(
    from first: UInt64, to end: UInt64, after prepare: (BlockRun) throws(Ext4Error) -> Void
  ) throws(Ext4Error) -> Extent? {
    var search = ExtentSearch(of: inode)
    guard first < ExtentNode.wholeFile.upperBound,
      let whole = try search.extent(coveringOrBehind: UInt32(first)), UInt64(whole.logical) < end
    else { return nil }
    let start = max(UInt64(whole.logical), first)
    let stop = min(whole.end, end)
    let removed = whole.part(from: start, to: stop)
    try prepare(BlockRun(first: removed.physical, count: UInt64(removed.count)))
    try goto(whole)
    switch (start > UInt64(whole.logical), stop < whole.end) {
    case (false, false):
      try check(ext2fs_extent_delete(handle, 0), "deleting an extent", inode.number)
    case (true, false):
      try replace(with: whole.part(from: UInt64(whole.logical), to: start))
    case (false, true):
      try replace(with: whole.part(from: stop, to: whole.end))
    case (true, true):
      try requireRoom(for: 1)
      try replace(with: whole.part(from: UInt64(whole.logical), to: start))
      try insert(whole.part(from: stop, to: whole.end), after: true)
    }
    try fixParents()
    return removed
  }

  /// Makes an extent begin at `block` if one reaches across it. ENOSPC, with nothing changed.
  func split(at block: UInt32) throws(Ext4Error) {
    var search = ExtentSearch(of: inode)
    guard let whole = try search.extent(coveringOrBehind: block), whole.logical < block
    else { return }
    try goto(whole)
    try requireRoom(for: 1)
    try replace(with: whole.part(from: UInt64(whole.logical), to: UInt64(block)))
    try insert(whole.part(from: UInt64(block), to: whole.end), after: true)
    try fixParents()
  }

  private func convert(
    from first: UInt32, to end: UInt64, partOf whole: Extent
  ) throws(Ext4Error) {
    let count = UInt32(end - UInt64(first))
    let before = first - whole.logical
    let written = Extent(
      logical: first, physical: whole.physical + UInt64(before), count: count, isUnwritten: false)
    let rest = Extent(
      logical: first &+ count, physical: written.physical + UInt64(count),
      count: UInt32(whole.end - end), isUnwritten: true)

    if before == 0, var previous = try extentBefore(written) {
      // The extent before takes over the written part: shorten first, so that the two never overlap.
      if rest.count == 0 {
        try check(ext2fs_extent_delete(handle, 0), "deleting an extent", inode.number)
      } else {
        try replace(with: rest)
      }
      try fixParents()
      try goto(previous)
      previous.count += count
      return try replace(with: previous)
    }
    try requireRoom(for: (before > 0 ? 1 : 0) + (rest.count > 0 ? 1 : 0))
    switch (before > 0, rest.count > 0) {
    case (false, false):
      try replace(with: written)
    case (false, true):
      try replace(with: written)
      try insert(rest, after: true)
      try fixParents()
    case (true, let hasRest):
      var head = whole
      head.count = before
      try replace(with: head)
      try insert(written, after: true)
      if hasRest {
        try fixParents()
        try goto(written)
        try insert(rest, after: true)
      }
      try fixParents()
    }
  }

  /// The extent before `written`, if that continues it and there is room in it.
  private func extentBefore(_ written: Extent) throws(Ext4Error) -> Extent? {
    var search = ExtentSearch(of: inode)
    guard let previous = try search.extent(endingAt: written.logical),
      previous.isContinued(by: written),
      previous.count + written.count <= Extent.maximumCount(isUnwritten: false)
    else { return nil }
    return previous
  }

  /// ENOSPC unless `count` extents can be added at the cursor for certain: a change in several steps must not
  /// fail between them.
  private func requireRoom(for count: Int) throws(Ext4Error) {
    var info = ext2_extent_info()
    try check(ext2fs_extent_get_info(handle, &info), "examining the extent tree", inode.number)
    if Int(info.num_entries) + count <= Int(info.max_entries) { return }
    // A split takes a block on each level, and a new root one more.
    let needed = UInt64(count) * UInt64(max(info.max_depth, 0) + 2)
    guard inode.volume.allocatableBlocks >= needed else {
      throw .errno(.noSpace)
    }
  }

  /// Moves to an extent that a search has found, or that was just entered.
  private func goto(_ extent: Extent) throws(Ext4Error) {
    let code = Int(ext2fs_extent_goto(handle, UInt64(extent.logical)))
    if code != 0 { throw failure(code) }
    guard let found = try current(), found.logical == extent.logical, found.count == extent.count,
      found.physical == extent.physical
    else { throw inode.damagedTree }
  }

  private func insert(_ new: Extent, after: Bool) throws(Ext4Error) {
    var raw = new.raw
    try check(
      ext2fs_extent_insert(handle, after ? EXT2_EXTENT_INSERT_AFTER : 0, &raw),
      "inserting an extent", inode.number)
  }

  private func replace(with extent: Extent) throws(Ext4Error) {
    var raw = extent.raw
    try check(ext2fs_extent_replace(handle, 0, &raw), "changing an extent", inode.number)
  }

  private func fixParents() throws(Ext4Error) {
    let code = Int(ext2fs_extent_fix_parents(handle))
    // An empty tree has no node to start from, and nothing to fix.
    if code != 0, code != Int(EXT2_ET_NO_CURRENT_NODE) { throw failure(code) }
  }

  private func failure(_ code: Int) -> Ext4Error {
    .library(code: code, doing: "walking the extent tree", inode.number)
  }
}
