import Testing

@testable import FuseTransport

/// For how long a slow write has the reader hand over reading before it writes.
@Suite struct SlowWritesTests {
  private static let millisecond: UInt64 = 1_000_000
  private static let start: UInt64 = 3_600_000 * millisecond

  @Test func quickWritesAreServedByTheReader() {
    var writes = SlowWrites()
    writes.note(from: Self.start, to: Self.start + Self.millisecond)
    #expect(!writes.areExpected(at: Self.start + Self.millisecond))
  }

  /// A busy processor makes a write slow as well: half a second without a reader that writes had creates take twice as long.
  @Test func oneSlowWriteIsSoonForgotten() {
    var writes = SlowWrites()
    let end = Self.start + 5 * Self.millisecond
    writes.note(from: Self.start, to: end)
    #expect(writes.areExpected(at: end + 15 * Self.millisecond))
    #expect(!writes.areExpected(at: end + 16 * Self.millisecond))
  }

  @Test func slowWritesThatFollowAreRemembered() {
    var writes = SlowWrites()
    var time = Self.start
    var memories: [UInt64] = []
    for _ in 0..<8 {
      writes.note(from: time, to: time + 2 * Self.millisecond)
      time += 2 * Self.millisecond
      let end = time
      while writes.areExpected(at: time) { time += Self.millisecond }
      memories.append((time - end) / Self.millisecond)
    }
    #expect(memories == [16, 32, 64, 128, 256, 512, 512, 512])
    // After a while without one it begins anew.
    time += 16 * Self.millisecond
    writes.note(from: time, to: time + 2 * Self.millisecond)
    #expect(!writes.areExpected(at: time + 18 * Self.millisecond))
  }
}
