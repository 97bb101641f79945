import TestSupport

/// How restless a run is, chosen by its seed. Some faults show when tasks take turns at every step, others when one stops at the wrong
/// place for so long that the others go once round the log.
struct SchedulingTemper: Sendable {
  /// The next task is chosen at one in so many points.
  private let passesOneIn: Int
  /// A task stops for a while at one in so many reads, writes and flushes, or locks.
  private let stopsOneIn: [Int]
  /// For up to so many points, as a power of two.
  private let longest: Int

  init(_ random: inout SeededGenerator) {
    passesOneIn = random.pick([1, 3, 10, 40])
    stopsOneIn = [random.pick([12, 40, 150]), random.pick([100, 1000, 4000])]
    longest = random.pick([6, 9, 12, 15])
  }

  func passes(at point: Scheduler.Point, _ random: inout SeededGenerator) -> Bool {
    point == .pause || random.oneIn(passesOneIn)
  }

  /// For how many points the task that has come to `point` stops.
  func stretch(at point: Scheduler.Point, _ random: inout SeededGenerator) -> Int {
    switch point {
    case .pause: return 1 << random.number(4..<10)
    case .device: return random.oneIn(stopsOneIn[0]) ? 1 << random.number(2..<longest + 1) : 0
    case .lock: return random.oneIn(stopsOneIn[1]) ? 1 << random.number(2..<longest + 1) : 0
    }
  }
}
