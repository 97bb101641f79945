/// An ordered, non-overlapping interval map of the mappings of one file in one direction.
///
/// What is not covered is unknown, which is not the same as a hole. The cache is a value without a
/// lock of its own: its owner lets readers in together and writers alone.
public struct MappingCache: Sendable {
  /// Sorted by offset; no two overlap, and no two neighbours could be one.
  @usableFromInline var mappings: ContiguousArray<Mapping> = []

  @inlinable public init() {}

  @inlinable public var count: Int { mappings.count }
  @inlinable public var isEmpty: Bool { mappings.isEmpty }

  /// All mappings, in the order of the file.
  @inlinable public var all: some RandomAccessCollection<Mapping> { mappings }

  /// The index of the first mapping that ends behind `position`. O(log n).
  @inlinable
  func firstIndex(endingBehind position: FileOffset) -> Int {
    var low = 0
    var high = mappings.count
    while low < high {
      let middle = (low + high) / 2
      if mappings[middle].end <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The mapping that covers `position`, whole. O(log n).
  @inlinable
  public func lookup(_ position: FileOffset) -> Mapping? {
    let index = firstIndex(endingBehind: position)
    guard index < mappings.count, mappings[index].offset <= position else { return nil }
    return mappings[index]
  }

  /// Records `mapping`, replacing whatever it overlaps and merging it with neighbours that it continues.
  public mutating func upsert(_ mapping: Mapping) {
    if let last = mappings.last, last.end <= mapping.offset {
      // Files are mostly learnt from front to back.
      if last.isContinued(by: mapping) {
        mappings[mappings.count - 1].length += mapping.length
      } else {
        mappings.append(mapping)
      }
      return
    }
    invalidate(from: mapping.offset, to: mapping.end)
    var merged = mapping
    let index = firstIndex(endingBehind: mapping.offset)
    var replaced = index..<index
    if index < mappings.count, merged.isContinued(by: mappings[index]) {
      merged.length += mappings[index].length
      replaced = index..<(index + 1)
    }
    if index > 0, mappings[index - 1].isContinued(by: merged) {
      merged = mappings[index - 1]
      merged.length =
        replaced.isEmpty
        ? merged.length + mapping.length
        : merged.length + mapping.length + mappings[index].length
      replaced = (index - 1)..<replaced.upperBound
    }
    mappings.replaceSubrange(replaced, with: CollectionOfOne(merged))
  }

  /// Forgets everything within [`start`, `end`), trimming and splitting what reaches beyond it.
  public mutating func invalidate(from start: FileOffset, to end: FileOffset) {
    guard start < end else { return }
    let first = firstIndex(endingBehind: start)
    var last = first
    while last < mappings.count, mappings[last].offset < end { last += 1 }
    guard first < last else { return }
    let head = mappings[first]
    let tail = mappings[last - 1]
    var kept: [Mapping] = []
    if head.offset < start { kept.append(head.clipped(from: head.offset, to: start)) }
    if tail.end > end { kept.append(tail.clipped(from: end, to: tail.end)) }
    mappings.replaceSubrange(first..<last, with: kept)
  }

  /// Forgets everything from `start` on.
  public mutating func invalidate(from start: FileOffset) {
    invalidate(from: start, to: FileOffset(.max))
  }

  public mutating func removeAll() {
    mappings.removeAll()
  }
}
