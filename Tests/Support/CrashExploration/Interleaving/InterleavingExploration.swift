import Dispatch
import Ext4
import Synchronization
import TestSupport

/// Many runs of a concurrent workload, each interleaved by a seed of its own, and the disks that power cuts may leave of them.
public struct InterleavingExploration: Sendable {
  public struct Report: Sendable {
    public internal(set) var runs = 0
    /// Different disks that were judged.
    public internal(set) var states = 0
    /// Those of them that e2fsck looked at.
    public internal(set) var checked = 0
    /// How many times a task might have been interrupted.
    public internal(set) var points = 0
    public internal(set) var writes = 0
    public internal(set) var flushes = 0
    public internal(set) var operations = 0
    public internal(set) var violations: [Exploration.Violation] = []
  }

  public var workload: ConcurrentWorkload
  public var firstSeed: UInt64
  public var runCount: Int
  /// About how many states to judge of a run.
  public var limit = 200
  /// Every how many states e2fsck looks at the disk as well.
  public var checkerEvery = 100
  /// Run no more when so many violations have been found.
  public var violationLimit = 3

  public init(_ workload: ConcurrentWorkload, firstSeed: UInt64, runCount: Int) {
    self.workload = workload
    self.firstSeed = firstSeed
    self.runCount = runCount
  }

  /// Runs the workload, on a file system that is broken in one place if `fault` is set, and judges.
  public func run(breaking fault: FaultPoint? = nil) throws -> Report {
    let image = try workload.disk.makeDisk(seed: firstSeed).image
    let report = Mutex(Report())
    let nextRun = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: Self.threads) { _ in
      while report.withLock({ $0.violations.count < violationLimit }) {
        let run = nextRun.wrappingAdd(1, ordering: .relaxed).oldValue
        guard run < runCount else { return }
        let seed = firstSeed &+ UInt64(run)
        do {
          try examine(image, seed, fault, report)
        } catch {
          report.withLock { $0.violations.append(violation(seed, "no cut", "\(error)")) }
        }
      }
    }
    return report.withLock { $0 }
  }

  /// What the interleavings of the first seed are in `count` runs: equal numbers for equal ones.
  public func traces(_ count: Int) throws -> [UInt64] {
    let image = try workload.disk.makeDisk(seed: firstSeed).image
    return try (0..<count).map { _ in
      let disk = try workload.disk.emptyDisk()
      image.copy(into: disk.bytes)
      return try ConcurrentRecording(workload, image, on: disk, seed: firstSeed).trace
    }
  }

  private static let threads = 2

  private func violation(_ seed: UInt64, _ cut: String, _ flaw: String) -> Exploration.Violation {
    Exploration.Violation(workload: workload.disk.name, seed: seed, cut: cut, flaw: flaw)
  }

  private func examine(
    _ image: DiskImage, _ seed: UInt64, _ fault: FaultPoint?, _ report: borrowing Mutex<Report>
  ) throws {
    let disk = try workload.disk.emptyDisk()
    image.copy(into: disk.bytes)
    let recording = try ConcurrentRecording(workload, image, on: disk, seed: seed, breaking: fault)
    let states = CrashStates(image, recording.log, seed: seed, limit: limit, randomPerEpoch: 2)
    report.withLock { report in
      report.runs += 1
      report.points += recording.pointCount
      report.writes += recording.log.writeCount
      report.flushes += recording.log.flushCount
      report.operations += recording.operationCount
    }
    let judge = try Judge(workload.disk, recording.verdict)
    for (index, state) in states.states.enumerated() {
      let isChecked = index % checkerEvery == Int(seed % UInt64(checkerEvery))
      let flaw = try judge.flaw(expecting: state.expectations, isChecked: isChecked) {
        states.build(state.cut, in: $0)
      }
      let isEnough = report.withLock { report in
        report.states += 1
        if isChecked { report.checked += 1 }
        if let flaw { report.violations.append(violation(seed, "\(state.cut)", flaw)) }
        return report.violations.count >= violationLimit
      }
      if isEnough { return }
    }
  }
}
