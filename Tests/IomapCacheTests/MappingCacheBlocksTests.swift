import IomapCache
import TestSupport
import Testing

/// Caches so large that their mappings lie in blocks.
@Suite struct MappingCacheBlocksTests {
  /// What is known of a cell of the file: kind, flags, device and the cell of the device; nil for nothing.
  private typealias Cell = Known?

  private struct Known: Equatable {
    var kind: Mapping.Kind
    var flags: Mapping.Flags
    var device: DeviceCookie
    var place: Int

    func isContinued(by next: Known) -> Bool {
      kind == next.kind && flags == next.flags && device == next.device
        && (!kind.hasBlocks || place + 1 == next.place)
    }
  }

  private static let cells = 6000
  private static let scale: UInt64 = 4096

  private static func offset(_ cell: Int) -> FileOffset { FileOffset(UInt64(cell) * scale) }

  private func mapping(_ start: Int, _ end: Int, _ known: Known) -> Mapping {
    Mapping(
      offset: Self.offset(start), length: UInt64(end - start) * Self.scale,
      address: known.kind.hasBlocks ? DeviceOffset(UInt64(known.place) * Self.scale) : .null,
      kind: known.kind, flags: known.flags, device: known.device)
  }

  /// The longest possible mappings that say what `model` says of [`start`, `end`).
  private func mappings(of model: [Cell], _ start: Int, _ end: Int) -> [Mapping] {
    var mappings: [Mapping] = []
    var start = start
    while start < end {
      guard let first = model[start] else {
        start += 1
        continue
      }
      var last = start
      while last + 1 < end, let known = model[last], let next = model[last + 1],
        known.isContinued(by: next)
      {
        last += 1
      }
      mappings.append(mapping(start, last + 1, first))
      start = last + 1
    }
    return mappings
  }

  private func random(_ random: inout SeededGenerator, at cell: Int) -> Known {
    let kind = random.pick([Mapping.Kind.hole, .mapped, .mapped, .mapped, .unwritten, .delalloc])
    return Known(
      kind: kind, flags: random.oneIn(8) ? .dirty : [],
      device: kind.hasBlocks ? DeviceCookie(rawValue: random.oneIn(8) ? 2 : 1) : .none,
      place: cell + random.pick([0, 0, 0, Self.cells])
        + (random.oneIn(2) ? random.number(0..<9) : 0))
  }

  /// 25,000 changes a seed. Now and then a large range goes, so that the number of mappings swings between
  /// none and thousands.
  @Test(arguments: [11, 12, 13, 14] as [UInt64])
  func randomChanges(seed: UInt64) {
    var cache = MappingCache()
    var model = [Cell](repeating: nil, count: Self.cells)
    var random = SeededGenerator(seed: seed)
    var largest = 0
    for step in 0..<25_000 {
      let start = random.number(0..<Self.cells)
      let isLarge = random.oneIn(1000)
      let end = min(start + 1 + random.number(0..<(isLarge ? Self.cells : 3)), Self.cells)
      switch random.number(0..<100) {
      case 0..<80:
        let first = self.random(&random, at: start)
        for cell in start..<end {
          model[cell] = first
          model[cell]?.place = first.place + cell - start
        }
        cache.upsert(mapping(start, end, first))
      default:
        for cell in start..<end { model[cell] = nil }
        cache.invalidate(from: Self.offset(start), to: Self.offset(end))
      }
      largest = max(largest, cache.count)
      guard agrees(cache, model, around: start, end) else {
        Issue.record("seed \(seed), step \(step), around \(start)..<\(end)")
        return
      }
      if step % 250 == 0 || isLarge {
        guard cache.structuralFlaw == nil,
          cache.all.elementsEqual(mappings(of: model, 0, Self.cells))
        else {
          Issue.record("seed \(seed), step \(step): \(cache.structuralFlaw ?? "not the model")")
          return
        }
      }
    }
    #expect(largest > 1000)
  }

  /// Windows, gaps and lookups near the cells [`start`, `end`).
  private func agrees(_ cache: MappingCache, _ model: [Cell], around start: Int, _ end: Int) -> Bool
  {
    let first = max(start - 3, 0)
    let last = min(start + 6, Self.cells)
    let window = cache.mappings(from: Self.offset(first), to: Self.offset(last))
    guard Array(window) == mappings(of: model, first, last) else { return false }
    var gap: Range<FileOffset>?
    if let missing = (first..<last).first(where: { model[$0] == nil }) {
      let behind = (missing..<last).first { model[$0] != nil } ?? last
      gap = Self.offset(missing)..<Self.offset(behind)
    }
    guard cache.firstGap(from: Self.offset(first), to: Self.offset(last)) == gap else {
      return false
    }
    let position = Self.offset(end - 1) + (Self.scale - 1)
    guard let found = cache.lookup(position) else { return model[end - 1] == nil }
    guard let known = model[end - 1] else { return false }
    return found.covers(position)
      && found.clipped(from: Self.offset(end - 1), to: Self.offset(end))
        == mapping(end - 1, end, known)
  }

  enum Order: CaseIterable { case forwards, backwards, shuffled, evenThenOdd }

  /// A hundred thousand mappings, no two of which can be one.
  @Test(arguments: Order.allCases)
  func aHundredThousandMappings(_ order: Order) {
    let count = 100_000
    var random = SeededGenerator(seed: 77)
    let cells: [Int] =
      switch order {
      case .forwards: Array(0..<count)
      case .backwards: Array((0..<count).reversed())
      case .shuffled: (0..<count).shuffled(using: &random)
      case .evenThenOdd:
        Array(stride(from: 0, to: count, by: 2)) + Array(stride(from: 1, to: count, by: 2))
      }
    func mapping(_ cell: Int) -> Mapping {
      self.mapping(
        cell, cell + 1,
        Known(
          kind: .mapped, flags: [], device: DeviceCookie(rawValue: 1), place: 3 * (count - cell)))
    }
    var cache = MappingCache()
    for cell in cells { cache.upsert(mapping(cell)) }
    #expect(cache.count == count)
    #expect(cache.structuralFlaw == nil)
    #expect(cache.all.elementsEqual((0..<count).lazy.map(mapping)))
    #expect((0..<count).allSatisfy { cache.lookup(Self.offset($0) + 7) == mapping($0) })
    #expect(cache.lookup(Self.offset(count)) == nil)
    #expect(cache.firstGap(from: Self.offset(0), to: Self.offset(count)) == nil)

    // One in two goes; then all that is left, in the same order, with the structure looked at on the way.
    for cell in stride(from: 0, to: count, by: 2) {
      cache.invalidate(from: Self.offset(cell), to: Self.offset(cell + 1))
    }
    #expect(cache.count == count / 2)
    #expect(cache.structuralFlaw == nil)
    for (step, cell) in cells.enumerated() {
      cache.invalidate(from: Self.offset(cell), to: Self.offset(cell + 1))
      if step % 10_000 == 0 { #expect(cache.structuralFlaw == nil) }
    }
    #expect(cache.isEmpty)
    #expect(cache.structuralFlaw == nil)
  }

  @Test func aMappingOverAllReplacesAll() {
    var cache = MappingCache()
    for cell in 0..<10_000 {
      cache.upsert(
        mapping(
          2 * cell, 2 * cell + 1,
          Known(
            kind: .mapped, flags: [], device: .none, place: cell)))
    }
    let all = Mapping.hole(at: FileOffset(0), length: 1 << 40)
    let copy = cache
    cache.upsert(all)
    #expect(Array(cache.all) == [all])
    #expect(cache.structuralFlaw == nil)
    #expect(copy.count == 10_000)
    #expect(copy.structuralFlaw == nil)
  }

  /// 600 mappings learnt from front to back lie in blocks of 256, 256 and 88.
  @Test(arguments: [
    200..<500, 0..<500, 256..<500, 100..<500, 200..<512, 256..<512, 0..<600, 1..<600,
  ])
  func cuttingAcrossBlocksKeepsThemInShape(_ cut: Range<Int>) {
    var cache = MappingCache()
    func hole(_ cell: Int) -> Mapping { .hole(at: Self.offset(2 * cell), length: Self.scale) }
    for cell in 0..<600 { cache.upsert(hole(cell)) }
    cache.invalidate(from: Self.offset(2 * cut.lowerBound), to: Self.offset(2 * cut.upperBound))
    #expect(cache.structuralFlaw == nil)
    #expect(cache.all.elementsEqual((0..<600).filter { !cut.contains($0) }.map(hole)))
  }

  @Test func runsBackwardsToo() {
    var cache = MappingCache()
    for cell in 0..<1000 {
      cache.upsert(.hole(at: Self.offset(2 * cell), length: Self.scale))
    }
    #expect(cache.all.reversed().elementsEqual(Array(cache.all).reversed()))
    #expect(cache.all.last == .hole(at: Self.offset(1998), length: Self.scale))
  }

  @Test func emptyMappingsAndWindowsAreNothing() {
    var cache = MappingCache()
    cache.upsert(.hole(at: FileOffset(10), length: 0))
    #expect(cache.isEmpty)
    cache.upsert(.hole(at: FileOffset(0), length: 100))
    #expect(Array(cache.mappings(from: FileOffset(50), to: FileOffset(50))).isEmpty)
    #expect(Array(cache.mappings(from: FileOffset(60), to: FileOffset(40))).isEmpty)
    #expect(cache.firstGap(from: FileOffset(200), to: FileOffset(200)) == nil)
    #expect(cache.firstGap(from: FileOffset(200), to: FileOffset(100)) == nil)
  }

  @Test func mappingsThatEndBehindAllThereIsDoNotTrap() {
    var cache = MappingCache()
    cache.upsert(.hole(at: FileOffset(4096), length: .max))
    cache.upsert(.hole(at: FileOffset(0), length: 4096))
    #expect(Array(cache.all) == [.hole(at: FileOffset(0), length: .max)])
    cache.invalidate(from: FileOffset(8192))
    #expect(Array(cache.all) == [.hole(at: FileOffset(0), length: 8192)])
  }
}
