import IomapCache
import Synchronization
import TestSupport
import Testing

@Suite struct FileMappingsTests {
  private let mappings = FileMappings()

  private func map(
    _ start: UInt64, _ end: UInt64, _ kind: Mapping.Kind = .mapped, shift: UInt64 = 1000
  ) -> Mapping {
    Self.map(start, end, kind, shift: shift)
  }

  private static func map(
    _ start: UInt64, _ end: UInt64, _ kind: Mapping.Kind = .mapped, shift: UInt64 = 1000
  ) -> Mapping {
    Mapping(
      offset: FileOffset(start), length: end - start,
      address: kind.hasBlocks ? DeviceOffset(start + shift) : .null, kind: kind)
  }

  private func lookup(_ position: UInt64, _ direction: FileMappings.Direction) -> Mapping? {
    mappings.lookup(FileOffset(position), for: direction)
  }

  @Test func nothingIsKnownAtFirst() {
    #expect(lookup(0, .read) == nil)
    #expect(lookup(0, .write) == nil)
    #expect(mappings.count == 0)
  }

  @Test func withoutAWriteForkReadsServeWrites() {
    mappings.upsert(read: map(0, 100), write: nil)
    #expect(lookup(50, .read) == map(0, 100))
    #expect(lookup(50, .write) == map(0, 100))
    #expect(mappings.count == 1)
  }

  @Test func pureOverwritesAndNoCacheMakeNoWriteFork() {
    mappings.upsert(read: map(0, 100), write: map(0, 50, .pureOverwrite))
    mappings.upsert(read: .noCache, write: .noCache)
    mappings.upsert(read: nil, write: nil)
    #expect(lookup(70, .write) == map(0, 100))
    #expect(mappings.count == 1)
  }

  @Test func aWriteForkIsAskedFirstAndItsGapsAreUnknown() {
    mappings.upsert(read: map(0, 100), write: map(20, 40, shift: 5000))
    #expect(lookup(30, .write) == map(20, 40, shift: 5000))
    #expect(lookup(30, .read) == map(0, 100))
    #expect(lookup(50, .write) == nil)
    mappings.upsert(read: nil, write: map(40, 60, .pureOverwrite))
    #expect(lookup(50, .write) == map(0, 100))
    #expect(mappings.count == 3)
  }

  @Test func anEmptiedWriteForkIsStillThere() {
    mappings.upsert(read: map(0, 100), write: map(0, 100, shift: 5000))
    mappings.invalidate(read: nil, write: .toEndOfFile(from: FileOffset(0)))
    #expect(lookup(50, .write) == nil)
    #expect(lookup(50, .read) == map(0, 100))
    mappings.removeAll()
    mappings.upsert(read: map(0, 100), write: nil)
    #expect(lookup(50, .write) == nil)
  }

  @Test func invalidatesEitherForkOrBoth() {
    mappings.upsert(read: map(0, 100), write: map(0, 100, shift: 5000))
    mappings.invalidate(from: FileOffset(40), to: FileOffset(60))
    #expect(lookup(50, .read) == nil && lookup(50, .write) == nil)
    #expect(lookup(39, .read) == map(0, 40) && lookup(60, .write) == map(60, 100, shift: 5000))
    mappings.invalidate(read: InvalidationRange(offset: FileOffset(60), length: 10), write: nil)
    #expect(lookup(60, .read) == nil && lookup(60, .write) == map(60, 100, shift: 5000))
    mappings.invalidate(read: nil, write: .toEndOfFile(from: FileOffset(60)))
    #expect(lookup(70, .read) == map(70, 100) && lookup(70, .write) == nil)
    mappings.removeAll()
    #expect(mappings.count == 0)
  }

  private struct Refused: Error, Equatable {}

  @Test func severalStepsAreOne() throws {
    let count = mappings.withReadFork { fork in
      fork.upsert(map(0, 10))
      fork.upsert(map(20, 30))
      return fork.count
    }
    #expect(count == 2)
    #expect(throws: Refused()) {
      try mappings.withReadFork { (fork) throws(Refused) in
        fork.removeAll()
        throw Refused()
      }
    }
    #expect(mappings.count == 0)
  }

  /// How many readers have not yet seen enough.
  private final class Readers: Sendable {
    let left = Atomic(3)
  }

  /// A cell of eight bytes in either of two states, each of which puts it elsewhere.
  private static func cell(_ index: UInt64, _ state: UInt64) -> Mapping {
    map(
      index * 8, index * 8 + 8, state == 0 ? .mapped : .unwritten,
      shift: 100_000 * (state + 1) + index % 2)
  }

  /// One task changes a file, for as long as others read it, between two states in which any byte lies in
  /// one of two places, with parts unknown at times; the others never see anything else. The file is large
  /// enough for blocks.
  @Test func readersSeeOneStateOrTheOther() async {
    let mappings = mappings
    let cells: UInt64 = 600
    for index in 0..<cells { mappings.upsert(read: Self.cell(index, 0), write: nil) }
    let readers = Readers()
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        var random = SeededGenerator(seed: 61)
        var round: UInt64 = 0
        while readers.left.load(ordering: .acquiring) > 0 || round < 10_000 {
          let index = UInt64(random.number(0..<Int(cells)))
          if random.oneIn(50) {
            mappings.invalidate(from: FileOffset(index * 8), to: FileOffset(index * 8 + 3000))
          }
          mappings.upsert(read: Self.cell(index, round % 2), write: nil)
          round += 1
          // There may be no more than one thread for all of these tasks.
          if round % 16 == 0 { await Task.yield() }
        }
      }
      for reader in 0..<readers.left.load(ordering: .relaxed) {
        group.addTask {
          var random = SeededGenerator(seed: UInt64(70 + reader))
          var seen = 0
          while seen < 20_000 {
            let position = UInt64(random.number(0..<Int(cells * 8)))
            let direction: FileMappings.Direction = random.oneIn(2) ? .read : .write
            guard let found = mappings.lookup(FileOffset(position), for: direction) else {
              await Task.yield()
              continue
            }
            seen += 1
            guard found == Self.cell(position / 8, found.kind == .mapped ? 0 : 1) else {
              Issue.record("at \(position): \(found)")
              break
            }
            if seen % 256 == 0 { await Task.yield() }
          }
          readers.left.wrappingSubtract(1, ordering: .releasing)
        }
      }
    }
    #expect(mappings.withReadFork { $0.structuralFlaw } == nil)
  }
}
