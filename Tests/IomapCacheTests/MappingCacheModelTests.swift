import IomapCache
import TestSupport
import Testing

/// Random changes to a cache, compared after each one with an array that says of every byte what is
/// known of it.
@Suite struct MappingCacheModelTests {
  /// What is known of a cell of the file.
  fileprivate enum Cell: Equatable {
    case unknown
    case hole
    /// By the cell of the device.
    case mapped(Int)
    case unwritten(Int)
  }

  struct Layout: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let seed: UInt64
    /// The file offset of cell 0.
    let base: UInt64
    /// Bytes a cell.
    let scale: UInt64
  }

  private static let cells = 160

  static let layouts = [
    Layout(testDescription: "bytes from 0", seed: 1, base: 0, scale: 1),
    Layout(testDescription: "blocks across 2^32", seed: 2, base: (1 << 32) - 4096, scale: 4096),
    Layout(
      testDescription: "bytes up to 2^63", seed: 3, base: (1 << 63) - UInt64(cells), scale: 1),
    Layout(
      testDescription: "all there is", seed: 4, base: 0, scale: (1 << 63) / UInt64(cells)),
  ]

  @Test(arguments: layouts)
  func randomChanges(_ layout: Layout) {
    var cache = MappingCache()
    var model = [Cell](repeating: .unknown, count: Self.cells)
    var random = SeededGenerator(seed: layout.seed)
    for step in 0..<30_000 {
      let start = random.number(0..<Self.cells)
      let end = min(start + 1 + random.number(0..<(random.oneIn(4) ? 120 : 12)), Self.cells)
      let change: String
      switch random.number(0..<100) {
      case 0..<65:
        let mapping = randomMapping(start, end, layout, &random, &model)
        cache.upsert(mapping)
        change = "upsert \(mapping)"
      case 65..<98:
        cache.invalidate(from: layout.offset(start), to: layout.offset(end))
        for cell in start..<end { model[cell] = .unknown }
        change = "invalidate \(start)..<\(end)"
      case 98:
        cache.invalidate(from: layout.offset(start))
        for cell in start..<Self.cells { model[cell] = .unknown }
        change = "invalidate \(start)..."
      default:
        cache.removeAll()
        for cell in model.indices { model[cell] = .unknown }
        change = "remove all"
      }
      let expected = mappings(of: model, layout)
      guard cache.all.elementsEqual(expected) else {
        Issue.record(
          "seed \(layout.seed), step \(step), \(change): \(Array(cache.all)), not \(expected)")
        return
      }
      let position = layout.offset(random.number(0..<Self.cells)) + layout.scale / 2
      let answer = expected.first { $0.offset <= position && position < $0.end }
      guard cache.lookup(position) == answer else {
        Issue.record("seed \(layout.seed), step \(step), after \(change): lookup \(position)")
        return
      }
    }
  }

  /// A mapping of [`start`, `end`), noted in the model. Only a few places on the device are used, so
  /// that neighbours often continue each other.
  private func randomMapping(
    _ start: Int, _ end: Int, _ layout: Layout, _ random: inout SeededGenerator,
    _ model: inout [Cell]
  ) -> Mapping {
    let place = random.pick([0, 0, 0, Self.cells])
    let kind = random.pick([Mapping.Kind.hole, .mapped, .mapped, .unwritten])
    for cell in start..<end {
      model[cell] =
        switch kind {
        case .hole: .hole
        case .mapped: .mapped(cell + place)
        case .unwritten: .unwritten(cell + place)
        default: .unknown
        }
    }
    return layout.mapping(start, end, model[start])
  }

  /// The longest possible mappings that say what `model` says.
  private func mappings(of model: [Cell], _ layout: Layout) -> [Mapping] {
    var mappings: [Mapping] = []
    var start = 0
    while start < model.count {
      var end = start + 1
      while end < model.count, follows(model[end], model[end - 1]) { end += 1 }
      if model[start] != .unknown { mappings.append(layout.mapping(start, end, model[start])) }
      start = end
    }
    return mappings
  }

  private func follows(_ next: Cell, _ cell: Cell) -> Bool {
    switch (cell, next) {
    case (.unknown, .unknown), (.hole, .hole): true
    case (.mapped(let a), .mapped(let b)), (.unwritten(let a), .unwritten(let b)): a + 1 == b
    default: false
    }
  }
}

extension MappingCacheModelTests.Layout {
  func offset(_ cell: Int) -> FileOffset { FileOffset(base + UInt64(cell) * scale) }

  /// The mapping of [`start`, `end`), whose first cell holds `first`.
  fileprivate func mapping(
    _ start: Int, _ end: Int, _ first: MappingCacheModelTests.Cell
  ) -> Mapping {
    let length = UInt64(end - start) * scale
    func mapping(_ cell: Int, _ kind: Mapping.Kind) -> Mapping {
      Mapping(
        offset: offset(start), length: length, address: DeviceOffset(UInt64(cell) * scale),
        kind: kind)
    }
    return switch first {
    case .unknown, .hole: .hole(at: offset(start), length: length)
    case .mapped(let cell): mapping(cell, .mapped)
    case .unwritten(let cell): mapping(cell, .unwritten)
    }
  }
}
