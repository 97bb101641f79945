// How mappings come to lie in the flat array or in blocks.
extension MappingCache {
  /// Up to three mappings that take the place of others, without an array of their own.
  struct Pieces: RandomAccessCollection {
    private var pieces: (Mapping?, Mapping?, Mapping?)
    let endIndex: Int

    init(_ first: Mapping?, _ second: Mapping?, _ third: Mapping?) {
      pieces = (first, second, third)
      if pieces.1 == nil { (pieces.1, pieces.2) = (pieces.2, nil) }
      if pieces.0 == nil { pieces = (pieces.1, pieces.2, nil) }
      endIndex = (first == nil ? 0 : 1) + (second == nil ? 0 : 1) + (third == nil ? 0 : 1)
    }

    var startIndex: Int { 0 }

    subscript(index: Int) -> Mapping {
      let piece =
        switch index {
        case 0: pieces.0
        case 1: pieces.1
        default: pieces.2
        }
      return piece ?? .noCache
    }
  }

  /// Puts `mapping` behind the last one, which is at `last` and ends no later than it begins.
  mutating func append(_ mapping: Mapping, behind last: Place) {
    let joins = self[last].isContinued(by: mapping)
    if blocks.isEmpty {
      if joins {
        flat[last.index].length = mapping.end - flat[last.index].offset
      } else if flat.count < Self.blockLimit {
        flat.append(mapping)
      } else {
        blocks = [Block(flat), Block([mapping])]
        blockedCount = flat.count + 1
        flat = []
      }
    } else if joins {
      blocks[last.block].mappings[last.index].length =
        mapping.end - blocks[last.block].mappings[last.index].offset
    } else {
      if blocks[last.block].mappings.count < Self.blockLimit {
        blocks[last.block].mappings.append(mapping)
      } else {
        blocks.append(Block([mapping]))
      }
      blockedCount += 1
    }
  }

  /// Replaces the mappings [`first`, `end`).
  mutating func replace(_ first: Place, _ end: Place, with pieces: Pieces) {
    guard !blocks.isEmpty else {
      flat.replaceSubrange(first.index..<end.index, with: pieces)
      if flat.count > Self.blockLimit {
        blockedCount = flat.count
        blocks = [Block(flat)]
        flat = []
        split(0)
      } else {
        Self.giveBackRoom(&flat)
      }
      return
    }
    var end = end
    if end.index == 0, end.block > first.block {
      end = Place(block: end.block - 1, index: blocks[end.block - 1].mappings.count)
    }
    if first.block == end.block {
      blockedCount += pieces.count - (end.index - first.index)
      blocks[first.block].mappings.replaceSubrange(first.index..<end.index, with: pieces)
    } else {
      replaceAcrossBlocks(first, end, with: pieces)
    }
    settle(first.block)
  }

  private mutating func replaceAcrossBlocks(_ first: Place, _ end: Place, with pieces: Pieces) {
    let head = blocks[first.block].mappings.count
    blockedCount += pieces.count - (head - first.index) - end.index
    for block in blocks[(first.block + 1)..<end.block] { blockedCount -= block.mappings.count }
    blocks[first.block].mappings.replaceSubrange(first.index..<head, with: pieces)
    var emptied = (first.block + 1)..<end.block
    if end.index == blocks[end.block].mappings.count {
      emptied = (first.block + 1)..<(end.block + 1)
    } else if end.index > 0 {
      blocks[end.block].mappings.removeFirst(end.index)
      blocks[end.block].start = blocks[end.block].mappings[0].offset
      Self.giveBackRoom(&blocks[end.block].mappings)
    }
    blocks.removeSubrange(emptied)
  }

  /// Restores what holds of blocks, after a change of `block` and perhaps the loss of some of the next.
  private mutating func settle(_ block: Int) {
    if blocks[block].mappings.isEmpty {
      blocks.remove(at: block)
    } else {
      blocks[block].start = blocks[block].mappings[0].offset
      Self.giveBackRoom(&blocks[block].mappings)
      if blocks[block].mappings.count > Self.blockLimit { split(block) }
    }
    var pair = max(block - 1, 0)
    var last = block + 2
    while pair < last, pair + 1 < blocks.count {
      if blocks[pair].mappings.count + blocks[pair + 1].mappings.count <= Self.mergeLimit {
        blocks[pair].mappings.append(contentsOf: blocks[pair + 1].mappings)
        blocks.remove(at: pair + 1)
        last -= 1
      } else {
        pair += 1
      }
    }
    if blocks.count < 2 {
      flat = blocks.isEmpty ? [] : blocks[0].mappings
      blocks = []
      blockedCount = 0
    }
  }

  /// Makes two blocks of one.
  private mutating func split(_ block: Int) {
    let half = blocks[block].mappings.count / 2
    let upper = ContiguousArray(blocks[block].mappings[half...])
    blocks[block].mappings = ContiguousArray(blocks[block].mappings[..<half])
    blocks.insert(Block(upper), at: block + 1)
  }

  /// Reallocates an array that has become much smaller than its room.
  private static func giveBackRoom(_ mappings: inout ContiguousArray<Mapping>) {
    if mappings.isEmpty {
      mappings = []
    } else if mappings.capacity > 16, mappings.count * 4 < mappings.capacity {
      var smaller: ContiguousArray<Mapping> = []
      smaller.reserveCapacity(mappings.count * 2)
      smaller.append(contentsOf: mappings)
      mappings = smaller
    }
  }
}
