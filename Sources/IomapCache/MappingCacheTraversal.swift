extension MappingCache {
  /// All mappings of a cache as it was, in the order of the file.
  public struct Mappings: BidirectionalCollection, Sendable {
    public struct Index: Hashable, Comparable, Sendable {
      var place: Place

      public static func < (a: Self, b: Self) -> Bool { a.place < b.place }
    }

    let cache: MappingCache

    public var startIndex: Index { Index(place: cache.startPlace) }
    public var endIndex: Index { Index(place: cache.endPlace) }
    /// O(1).
    public var count: Int { cache.count }

    public subscript(index: Index) -> Mapping { cache[index.place] }

    public func index(after index: Index) -> Index {
      Index(place: cache.place(behind: index.place))
    }

    public func index(before index: Index) -> Index {
      Index(place: cache.place(before: index.place) ?? index.place)
    }
  }

  /// The mappings of a cache as it was within a range, in the order of the file.
  public struct Window: Sequence, IteratorProtocol, Sendable {
    let cache: MappingCache
    let start: FileOffset
    let end: FileOffset
    var place: Place

    public mutating func next() -> Mapping? {
      guard place != cache.endPlace else { return nil }
      let mapping = cache[place]
      guard mapping.offset < end else { return nil }
      place = cache.place(behind: place)
      return mapping.clipped(from: start, to: end)
    }
  }

  /// All mappings, in the order of the file.
  public var all: some BidirectionalCollection<Mapping> { Mappings(cache: self) }

  /// What is known of [`start`, `end`), in the order of the file and clipped to that range; `lookup` gives
  /// mappings whole. What is missing in between is unknown. O(log n) for the first.
  public func mappings(from start: FileOffset, to end: FileOffset) -> some Sequence<Mapping> {
    // A range that begins behind its end has nothing in it.
    Window(
      cache: self, start: start, end: end,
      place: start < end ? place(endingBehind: start) : endPlace)
  }

  /// The first part of [`start`, `end`) that is unknown, as far as it goes; nil when all is known. O(log n)
  /// and the mappings before it.
  public func firstGap(from start: FileOffset, to end: FileOffset) -> Range<FileOffset>? {
    var position = start
    var place = place(endingBehind: start)
    let last = endPlace
    while position < end {
      guard place != last else { return position..<end }
      let mapping = self[place]
      guard mapping.offset <= position else { return position..<min(mapping.offset, end) }
      position = mapping.end
      place = self.place(behind: place)
    }
    return nil
  }
}

extension MappingCache {
  /// What is wrong with the structure; nil when nothing is. For tests: O(n).
  package var structuralFlaw: String? {
    if !blocks.isEmpty {
      guard blocks.count > 1 else { return "a single block" }
      guard flat.isEmpty else { return "mappings beside blocks" }
      for block in blocks {
        guard let first = block.mappings.first else { return "an empty block" }
        guard block.start == first.offset else { return "a block that starts elsewhere" }
        guard block.mappings.count <= Self.blockLimit else { return "a block too large" }
      }
      for (block, next) in zip(blocks, blocks.dropFirst()) {
        guard block.mappings.count + next.mappings.count > Self.mergeLimit else {
          return "blocks that should be one"
        }
      }
      guard blocks.reduce(0, { $0 + $1.mappings.count }) == blockedCount else {
        return "a wrong count"
      }
    } else {
      guard flat.count <= Self.blockLimit else { return "more than a block, flat" }
    }
    var previous: Mapping?
    for mapping in all {
      guard mapping.length > 0 else { return "an empty mapping" }
      if let previous {
        guard previous.end <= mapping.offset else { return "overlapping mappings" }
        guard !previous.isContinued(by: mapping) else { return "mappings that should be one" }
      }
      previous = mapping
    }
    return nil
  }
}
