/// An ordered, non-overlapping interval map of the mappings of one file in one direction.
///
/// What is not covered is unknown, which is not the same as a hole. The cache is a value without a
/// lock of its own: its owner lets readers in together and writers alone.
///
/// Up to 256 mappings lie in one array, and more of them in blocks of up to 256: a lookup is O(log n) and
/// allocates nothing, and a change is O(log n) and what it touches, and moves at most a block and, when a
/// block comes or goes, the list of blocks.
public struct MappingCache: Sendable {
  /// Neighbouring mappings of a large file.
  @usableFromInline
  struct Block: Sendable {
    /// The offset of the first mapping, kept here so that a search of the blocks looks into none of them.
    @usableFromInline var start: FileOffset
    /// Sorted like all; never empty.
    @usableFromInline var mappings: ContiguousArray<Mapping>

    init(_ mappings: ContiguousArray<Mapping>) {
      start = mappings[0].offset
      self.mappings = mappings
    }
  }

  // Everything together is sorted by offset; no two mappings overlap, and no two neighbours could be one.

  /// All mappings while there are no blocks. Empty when there are.
  @usableFromInline var flat: ContiguousArray<Mapping> = []
  /// None, or at least two, of which any two neighbours together hold more than `mergeLimit` mappings.
  @usableFromInline var blocks: ContiguousArray<Block> = []
  /// Mappings in all blocks.
  @usableFromInline var blockedCount = 0

  /// Mappings a block holds at most.
  static var blockLimit: Int { 256 }
  /// Two neighbours that together hold no more become one block.
  static var mergeLimit: Int { 128 }

  @inlinable public init() {}

  @inlinable public var count: Int { blocks.isEmpty ? flat.count : blockedCount }
  @inlinable public var isEmpty: Bool { count == 0 }

  /// The mapping that covers `position`, whole. O(log n).
  @inlinable
  public func lookup(_ position: FileOffset) -> Mapping? {
    if blocks.isEmpty {
      return flat.withUnsafeBufferPointer { Self.lookup(position, in: $0) }
    }
    return blocks.withUnsafeBufferPointer { blocks in
      let block = Self.lastBlock(startingAtOrBefore: position, in: blocks)
      return blocks[block].mappings.withUnsafeBufferPointer { Self.lookup(position, in: $0) }
    }
  }

  @inlinable
  static func lookup(
    _ position: FileOffset, in mappings: UnsafeBufferPointer<Mapping>
  ) -> Mapping? {
    let index = firstIndex(endingBehind: position, in: mappings)
    guard index < mappings.count, mappings[index].offset <= position else { return nil }
    return mappings[index]
  }

  /// The first mapping that ends behind `position`, or else the end.
  @inlinable
  static func firstIndex(
    endingBehind position: FileOffset, in mappings: UnsafeBufferPointer<Mapping>
  ) -> Int {
    var low = 0
    var high = mappings.count
    while low < high {
      let middle = (low + high) / 2
      if mappings[middle].end <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The only block that may cover `position`: the last that starts no later, or else the first.
  @inlinable
  static func lastBlock(
    startingAtOrBefore position: FileOffset, in blocks: UnsafeBufferPointer<Block>
  ) -> Int {
    var low = 0
    var high = blocks.count
    while low < high {
      let middle = (low + high) / 2
      if blocks[middle].start <= position { low = middle + 1 } else { high = middle }
    }
    return max(low - 1, 0)
  }
}
