import Journal

/// The blocks that are the file system's own: superblocks, descriptors and what is kept for them, bitmaps, inode tables, the journal
/// (fs/ext4/block_validity.c). No file has them, and they are never freed.
struct SystemZone: Sendable {
  /// Disjoint, none next to another, in order.
  private var runs: [Range<UInt64>]

  init(_ runs: [Range<UInt64>]) {
    self.runs = Self.joined(runs)
  }

  init(_ geometry: Geometry, _ descriptors: GroupDescriptors, journal: [JournalArea.Run]) {
    // The metadata of flexible groups lies together kind by kind: most of it joins what came before.
    var kinds: [[Range<UInt64>]] = Array(repeating: [], count: 4)
    func add(_ first: UInt64, _ count: UInt64, to kind: Int) {
      guard count > 0 else { return }
      let last = kinds[kind].count - 1
      if last >= 0, kinds[kind][last].upperBound == first {
        kinds[kind][last] = kinds[kind][last].lowerBound..<first + count
      } else {
        kinds[kind].append(first..<first + count)
      }
    }
    for group in 0..<geometry.groupCount {
      let first = geometry.firstBlock(of: group)
      let leading = min(descriptors.leadingBlocks(of: group), geometry.blockCount - first)
      add(first, leading, to: 0)
      add(descriptors.blockBitmap(of: group).rawValue, 1, to: 1)
      add(descriptors.inodeBitmap(of: group).rawValue, 1, to: 2)
      add(descriptors.inodeTable(of: group).rawValue, geometry.inodeTableBlocks, to: 3)
    }
    let own = journal.map { $0.first.rawValue..<$0.first.rawValue + UInt64($0.count) }
    self.init(kinds.flatMap { $0 } + own)
  }

  private static func joined(_ runs: [Range<UInt64>]) -> [Range<UInt64>] {
    var joined: [Range<UInt64>] = []
    for run in runs.sorted(by: { $0.lowerBound < $1.lowerBound }) where !run.isEmpty {
      if let last = joined.last, run.lowerBound <= last.upperBound {
        joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, run.upperBound)
      } else {
        joined.append(run)
      }
    }
    return joined
  }

  /// The index of the first run that ends behind `block`.
  private func index(endingBehind block: UInt64) -> Int {
    var low = 0
    var high = runs.count
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].upperBound > block { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func overlaps(_ run: Range<UInt64>) -> Bool {
    let index = index(endingBehind: run.lowerBound)
    return index < runs.count && runs[index].lowerBound < run.upperBound
  }

  /// The parts of it that lie in `range`.
  func parts(in range: Range<UInt64>) -> [Range<UInt64>] {
    runs[index(endingBehind: range.lowerBound)...].prefix { $0.lowerBound < range.upperBound }
      .map { $0.clamped(to: range) }
  }
}
