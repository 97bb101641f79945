import Testing

@testable import FuseServer

/// For how long a slow write has the leader hand over reading before it writes.
@Suite struct LeadershipTests {
  private static let millisecond: UInt64 = 1_000_000
  private static let start: UInt64 = 3_600_000 * millisecond

  @Test func quickWritesAreServedByTheLeader() {
    let leadership = Leadership()
    leadership.noteWrite(from: Self.start, to: Self.start + Self.millisecond)
    #expect(!leadership.writesAreSlow(at: Self.start + Self.millisecond))
  }

  /// A busy processor makes a write slow as well: half a second without a leader that writes had creates take twice as long.
  @Test func oneSlowWriteIsSoonForgotten() {
    let leadership = Leadership()
    let end = Self.start + 5 * Self.millisecond
    leadership.noteWrite(from: Self.start, to: end)
    #expect(leadership.writesAreSlow(at: end + 15 * Self.millisecond))
    #expect(!leadership.writesAreSlow(at: end + 16 * Self.millisecond))
  }

  @Test func slowWritesThatFollowAreRemembered() {
    let leadership = Leadership()
    var time = Self.start
    var memories: [UInt64] = []
    for _ in 0..<8 {
      leadership.noteWrite(from: time, to: time + 2 * Self.millisecond)
      time += 2 * Self.millisecond
      let end = time
      while leadership.writesAreSlow(at: time) { time += Self.millisecond }
      memories.append((time - end) / Self.millisecond)
    }
    #expect(memories == [16, 32, 64, 128, 256, 512, 512, 512])
    // After a while without one it begins anew.
    time += 16 * Self.millisecond
    leadership.noteWrite(from: time, to: time + 2 * Self.millisecond)
    #expect(!leadership.writesAreSlow(at: time + 18 * Self.millisecond))
  }
}
