/// Whether the device does not keep up with what is written, by how long writes took before. Belongs to the thread that reads requests.
struct SlowWrites {
  /// A write that takes so many nanoseconds may have been kept waiting, since the device is behind.
  private static let slow: UInt64 = 1_000_000
  /// For how many nanoseconds after a slow write the next ones are expected to be slow: twice as many if another slow write
  /// follows within the shortest of these times. One slow write says little, since a busy processor makes writes slow, too, and threads that
  /// write to one image wait for each other.
  private static let shortestMemory: UInt64 = 16_000_000
  private static let longestMemory: UInt64 = 512_000_000

  private var expectedUntil: UInt64 = 0
  private var memory = shortestMemory

  /// Whether a write may have to wait. Times are those of `Clock`.
  func areExpected(at now: UInt64) -> Bool { now < expectedUntil }

  /// The reader has written, and still reads.
  mutating func note(from start: UInt64, to end: UInt64) {
    guard end - start > Self.slow else { return }
    let isRepeated = start < expectedUntil + Self.shortestMemory
    memory = isRepeated ? min(memory * 2, Self.longestMemory) : Self.shortestMemory
    expectedUntil = end + memory
  }
}
