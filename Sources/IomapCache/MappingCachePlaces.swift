// Places among the mappings, flat or in blocks.
extension MappingCache {
  /// A mapping, or the end of the last block. While there are no blocks, the flat array counts as the only one.
  struct Place: Hashable, Comparable, Sendable {
    var block: Int
    var index: Int

    static func < (a: Self, b: Self) -> Bool {
      a.block != b.block ? a.block < b.block : a.index < b.index
    }
  }

  /// The number of mappings in a block.
  func count(inBlock block: Int) -> Int {
    blocks.isEmpty ? flat.count : blocks[block].mappings.count
  }

  var blockCount: Int { max(blocks.count, 1) }
  var startPlace: Place { Place(block: 0, index: 0) }
  var endPlace: Place { Place(block: blockCount - 1, index: count(inBlock: blockCount - 1)) }

  /// The mapping at `place`, which must not be the end.
  subscript(place: Place) -> Mapping {
    blocks.isEmpty ? flat[place.index] : blocks[place.block].mappings[place.index]
  }

  func place(behind place: Place) -> Place {
    normalized(Place(block: place.block, index: place.index + 1))
  }

  /// Nil before the first mapping.
  func place(before place: Place) -> Place? {
    if place.index > 0 { return Place(block: place.block, index: place.index - 1) }
    guard place.block > 0 else { return nil }
    return Place(block: place.block - 1, index: count(inBlock: place.block - 1) - 1)
  }

  /// The end of a block is the start of the next.
  private func normalized(_ place: Place) -> Place {
    guard place.block + 1 < blocks.count, place.index == blocks[place.block].mappings.count else {
      return place
    }
    return Place(block: place.block + 1, index: 0)
  }

  /// The first mapping that ends behind `position`, or else the end. O(log n).
  func place(endingBehind position: FileOffset) -> Place {
    if blocks.isEmpty {
      return Place(
        block: 0,
        index: flat.withUnsafeBufferPointer { Self.firstIndex(endingBehind: position, in: $0) })
    }
    let block = blocks.withUnsafeBufferPointer {
      Self.lastBlock(startingAtOrBefore: position, in: $0)
    }
    let index = blocks[block].mappings.withUnsafeBufferPointer {
      Self.firstIndex(endingBehind: position, in: $0)
    }
    return normalized(Place(block: block, index: index))
  }

  /// The first mapping that starts at or behind `position`, or else the end. O(log n).
  func place(startingAtOrBehind position: FileOffset) -> Place {
    guard position.rawValue > 0 else { return startPlace }
    let last = FileOffset(position.rawValue - 1)
    let place = place(endingBehind: last)
    guard place != endPlace, self[place].offset <= last else { return place }
    return self.place(behind: place)
  }
}
