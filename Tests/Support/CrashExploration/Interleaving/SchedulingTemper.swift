import TestSupport

/// How often a run switches between tasks, chosen by its seed. Some faults show when tasks switch at every step, others when one task
/// stops at the wrong place for so long that the others write once round the log.
struct SchedulingTemper: Sendable {
  /// The next task is chosen at one in so many points.
  private let passesOneIn: Int
  /// A task stops for a while at one in so many reads, writes and flushes, or locks.
  private let stopsOneIn: [Int]
  /// For up to so many points, as a power of two.
  private let longest: Int
  /// One task stops for long before one in so many writes of a single block. Such a block is a superblock or a commit record, and it is
  /// a fault if another task acts as if it were already on the disk.
  private let slow: (place: Int, stopsOneIn: Int)

  init(_ random: inout SeededGenerator) {
    passesOneIn = random.pick([1, 3, 10, 40])
    stopsOneIn = [random.pick([12, 40, 150]), random.pick([100, 1000, 4000])]
    longest = random.pick([6, 9, 12, 15])
    slow = (random.pick([1, 1, 2, 2, 3, 5, 7]), random.pick([2, 4, 8]))
  }

  func passes(at point: Scheduler.Point, _ random: inout SeededGenerator) -> Bool {
    point == .pause || random.oneIn(passesOneIn)
  }

  /// For how many points the task that has come to `point` stops; `place`: 1 for the last of all tasks, and so on.
  func stretch(at point: Scheduler.Point, place: Int, _ random: inout SeededGenerator) -> Int {
    switch point {
    case .record:
      return place == slow.place && random.oneIn(slow.stopsOneIn)
        ? 1 << random.number(9..<15) : stretch(at: .device, place: place, &random)
    case .pause: return 1 << random.number(4..<10)
    case .device: return random.oneIn(stopsOneIn[0]) ? 1 << random.number(2..<longest + 1) : 0
    case .lock: return random.oneIn(stopsOneIn[1]) ? 1 << random.number(2..<longest + 1) : 0
    }
  }
}
