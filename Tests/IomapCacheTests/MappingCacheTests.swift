import IomapCache
import Testing

/// How mappings merge, split and give way, one case at a time.
@Suite struct MappingCacheTests {
  static let limit: UInt64 = 1 << 63

  /// [`start`, `end`) at `shift` bytes behind it on the device.
  private func map(
    _ start: UInt64, _ end: UInt64, shift: UInt64 = 1000, _ kind: Mapping.Kind = .mapped
  ) -> Mapping {
    kind == .hole
      ? .hole(at: FileOffset(start), length: end - start)
      : Mapping(
        offset: FileOffset(start), length: end - start, address: DeviceOffset(start + shift),
        kind: kind)
  }

  private func cache(_ mappings: Mapping...) -> MappingCache {
    var cache = MappingCache()
    for mapping in mappings { cache.upsert(mapping) }
    return cache
  }

  @Test func nothingIsKnownAtFirst() {
    let empty = MappingCache()
    #expect(empty.isEmpty && empty.count == 0)
    #expect(empty.lookup(FileOffset(0)) == nil)
    #expect(empty.lookup(FileOffset(Self.limit)) == nil)
  }

  @Test func lookupFindsTheWholeMappingAndNothingBeside() {
    let cache = cache(map(10, 20), map(30, 40))
    #expect(cache.lookup(FileOffset(9)) == nil)
    #expect(cache.lookup(FileOffset(10)) == map(10, 20))
    #expect(cache.lookup(FileOffset(19)) == map(10, 20))
    #expect(cache.lookup(FileOffset(20)) == nil)
    #expect(cache.lookup(FileOffset(29)) == nil)
    #expect(cache.lookup(FileOffset(30)) == map(30, 40))
    #expect(cache.lookup(FileOffset(40)) == nil)
  }

  @Test func mergesWithWhatGoesBefore() {
    #expect(Array(cache(map(0, 10), map(10, 20)).all) == [map(0, 20)])
  }

  @Test func mergesWithWhatComesAfter() {
    #expect(Array(cache(map(10, 20), map(0, 10)).all) == [map(0, 20)])
  }

  @Test func mergesWithBothNeighbours() {
    #expect(Array(cache(map(0, 10), map(20, 30), map(10, 20)).all) == [map(0, 30)])
  }

  @Test func keepsApartWhatOnlyTouches() {
    let kinds = cache(map(0, 10), map(10, 20, .unwritten), map(20, 30, .hole))
    #expect(Array(kinds.all) == [map(0, 10), map(10, 20, .unwritten), map(20, 30, .hole)])
    let places = cache(map(0, 10), map(10, 20, shift: 5000))
    #expect(Array(places.all) == [map(0, 10), map(10, 20, shift: 5000)])
  }

  @Test func replacesTheMiddleOfAMapping() {
    let cache = cache(map(0, 30), map(10, 20, shift: 5000))
    #expect(Array(cache.all) == [map(0, 10), map(10, 20, shift: 5000), map(20, 30)])
  }

  @Test func replacingTheMiddleWithItselfChangesNothing() {
    #expect(Array(cache(map(0, 30), map(10, 20)).all) == [map(0, 30)])
  }

  @Test func replacesSeveralMappingsAtOnce() {
    let cache = cache(
      map(0, 10), map(12, 14), map(16, 18, .unwritten), map(20, 30), map(5, 25, .hole))
    #expect(Array(cache.all) == [map(0, 5), map(5, 25, .hole), map(25, 30)])
  }

  @Test func convertingTheUnwrittenPiecewiseEndsInOneMapping() {
    var cache = cache(map(0, 100, .unwritten))
    for start: UInt64 in [40, 0, 80, 20, 60] { cache.upsert(map(start, start + 20)) }
    #expect(Array(cache.all) == [map(0, 100)])
  }

  @Test func invalidationTrimsAndSplits() {
    var cache = cache(map(0, 100))
    cache.invalidate(from: FileOffset(40), to: FileOffset(60))
    #expect(Array(cache.all) == [map(0, 40), map(60, 100)])
    cache.invalidate(from: FileOffset(30), to: FileOffset(50))
    #expect(Array(cache.all) == [map(0, 30), map(60, 100)])
    cache.invalidate(from: FileOffset(50), to: FileOffset(70))
    #expect(Array(cache.all) == [map(0, 30), map(70, 100)])
    cache.invalidate(from: FileOffset(30), to: FileOffset(70))
    #expect(Array(cache.all) == [map(0, 30), map(70, 100)])
    cache.invalidate(from: FileOffset(29), to: FileOffset(71))
    #expect(Array(cache.all) == [map(0, 29), map(71, 100)])
  }

  @Test func emptyAndReversedRangesInvalidateNothing() {
    var cache = cache(map(0, 100))
    cache.invalidate(from: FileOffset(50), to: FileOffset(50))
    cache.invalidate(from: FileOffset(60), to: FileOffset(40))
    #expect(Array(cache.all) == [map(0, 100)])
  }

  @Test func invalidationToTheEnd() {
    var cache = cache(map(0, 100), map(200, Self.limit, .hole))
    cache.invalidate(from: FileOffset(300))
    #expect(Array(cache.all) == [map(0, 100), map(200, 300, .hole)])
    cache.invalidate(from: FileOffset(100))
    #expect(Array(cache.all) == [map(0, 100)])
    cache.invalidate(from: FileOffset(0))
    #expect(cache.isEmpty)
  }

  @Test func forgetsEverything() {
    var cache = cache(map(0, 10), map(20, 30))
    cache.removeAll()
    #expect(cache.isEmpty)
    #expect(cache.lookup(FileOffset(5)) == nil)
  }

  @Test func reachesTheLastPossibleByte() {
    let limit = Self.limit
    var cache = cache(map(0, limit, .hole))
    #expect(cache.lookup(FileOffset(limit - 1)) == map(0, limit, .hole))
    #expect(cache.lookup(FileOffset(limit)) == nil)
    cache.upsert(map(limit - 1, limit))
    #expect(Array(cache.all) == [map(0, limit - 1, .hole), map(limit - 1, limit)])
    cache.upsert(map(limit - 2, limit - 1))
    #expect(Array(cache.all) == [map(0, limit - 2, .hole), map(limit - 2, limit)])
    cache.invalidate(from: FileOffset(limit - 1))
    #expect(Array(cache.all) == [map(0, limit - 2, .hole), map(limit - 2, limit - 1)])
  }

  @Test func isAValue() {
    let original = cache(map(0, 10))
    var copy = original
    copy.invalidate(from: FileOffset(0))
    #expect(original.count == 1 && copy.isEmpty)
  }
}
