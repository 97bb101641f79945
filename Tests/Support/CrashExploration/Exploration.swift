import Dispatch
import Ext4
import Synchronization
import TestSupport

/// Every disk that a power cut may leave of a workload, mounted and judged.
public struct Exploration: Sendable {
  /// A disk that is not what it may be.
  public struct Violation: Sendable, CustomStringConvertible {
    public let workload: String
    public let seed: UInt64
    public let cut: String
    public let flaw: String

    public var description: String { "\(workload), seed \(seed), \(cut): \(flaw)" }
  }

  public struct Report: Sendable {
    /// Different disks that were judged.
    public internal(set) var states = 0
    /// How many cuts there would have been without a limit.
    public internal(set) var possible = 0
    public internal(set) var writes = 0
    public internal(set) var flushes = 0
    public internal(set) var operations = 0
    /// Disks that a power cut may leave of a recovery.
    public internal(set) var nested = 0
    /// Disks that a power cut may leave of work on a disk that has lived through one.
    public internal(set) var secondLives = 0
    public internal(set) var violations: [Violation] = []
  }

  public var workload: Workload
  public var seed: UInt64
  /// About how many states to judge.
  public var limit: Int
  /// Every how many states e2fsck replays as well, the kernel replays as well, and the recovery itself is cut off. 0: never.
  public var checkerEvery = 10
  public var kernelEvery = 0
  public var nestedEvery = 50
  /// Every how many states the workload goes on after the recovery, until another power cut.
  public var secondLifeEvery = 0
  /// Judge no more when so many violations have been found.
  public var violationLimit = 20

  public init(_ workload: Workload, seed: UInt64, limit: Int) {
    self.workload = workload
    self.seed = seed
    self.limit = limit
  }

  /// Runs the workload, on a file system that is broken in one place if `fault` is set, and judges.
  public func run(breaking fault: FaultPoint? = nil) throws -> Report {
    let recording = try Recording(workload, seed: seed, breaking: fault)
    let states = CrashStates(recording.image, recording.log, seed: seed, limit: limit)
    let verdict = Verdict(recording.history)
    var report = Report()
    report.possible = states.possible
    report.writes = recording.log.writeCount
    report.flushes = recording.log.flushCount
    report.operations = recording.history.operationCount
    let progress = Progress()
    DispatchQueue.concurrentPerform(iterations: Self.threads) { _ in
      do {
        let judge = try Judge(workload, verdict)
        while let index = progress.next(below: states.states.count, violationLimit: violationLimit)
        {
          try examine(states, index, judge, progress)
        }
      } catch {
        progress.note(violation("none", "\(error)"))
      }
    }
    report.states = progress.judged
    report.nested = progress.nested
    report.secondLives = progress.secondLives
    report.violations = progress.violations
    return report
  }

  private static let threads = 2

  private func violation(_ cut: String, _ flaw: String) -> Violation {
    Violation(workload: workload.name, seed: seed, cut: cut, flaw: flaw)
  }

  private func examine(
    _ states: CrashStates, _ index: Int, _ judge: Judge, _ progress: Progress
  ) throws {
    let state = states.states[index]
    var witnesses: Judge.Witnesses = []
    func isTurn(_ interval: Int) -> Bool { interval > 0 && index % interval == interval / 2 }
    if isTurn(checkerEvery) { witnesses.insert(.checker) }
    if isTurn(kernelEvery) { witnesses.insert(.kernel) }
    let recorder = isTurn(nestedEvery) ? WriteRecorder() : nil
    let flaw = try judge.flaw(
      expecting: state.expectations, witnesses: witnesses, recorder: recorder
    ) { states.build(state.cut, in: $0) }
    progress.noteJudged()
    if let flaw { return progress.note(violation("\(state.cut)", flaw)) }
    if isTurn(secondLifeEvery) { try liveAgain(states, state, progress) }
    guard let recorder else { return }
    try examineRecovery(states, state, recorder.log, judge, progress)
  }

  /// The power fails once more while the file system is being recovered.
  private func examineRecovery(
    _ states: CrashStates, _ state: CrashState, _ log: WriteLog, _ judge: Judge,
    _ progress: Progress
  ) throws {
    let nested = CrashStates(
      states.image(after: state.cut), log, seed: seed, limit: 40, randomPerEpoch: 2)
    for inner in nested.states {
      let flaw = try judge.flaw(expecting: state.expectations) { nested.build(inner.cut, in: $0) }
      progress.noteNested()
      if let flaw {
        progress.note(violation("\(state.cut), and in the recovery \(inner.cut)", flaw))
      }
    }
  }
}

extension Exploration {
  /// After the power cut the workload goes on, over what is left in the log, until another power cut.
  private func liveAgain(
    _ states: CrashStates, _ state: CrashState, _ progress: Progress
  ) throws {
    guard let body = workload.secondLife else { return }
    let second = workload.with { $0.body = body }
    let disk = try workload.emptyDisk()
    states.build(state.cut, in: disk.bytes)
    let recording = try Recording(second, on: disk, seed: seed)
    let cuts = CrashStates(
      recording.image, recording.log, seed: seed, limit: 100, randomPerEpoch: 4)
    let judge = try Judge(workload, Verdict(recording.history))
    for inner in cuts.states {
      let flaw = try judge.flaw(expecting: inner.expectations) { cuts.build(inner.cut, in: $0) }
      progress.noteSecondLife()
      if let flaw {
        progress.note(violation("\(state.cut), and in the second life \(inner.cut)", flaw))
      }
    }
  }
}

/// What several judges have done.
private final class Progress: Sendable {
  private struct State {
    var next = 0
    var judged = 0
    var nested = 0
    var secondLives = 0
    var violations: [Exploration.Violation] = []
  }

  private let state = Mutex(State())

  func next(below end: Int, violationLimit: Int) -> Int? {
    state.withLock { state in
      guard state.next < end, state.violations.count < violationLimit else { return nil }
      state.next += 1
      return state.next - 1
    }
  }

  func noteJudged() { state.withLock { $0.judged += 1 } }
  func noteNested() { state.withLock { $0.nested += 1 } }
  func noteSecondLife() { state.withLock { $0.secondLives += 1 } }
  func note(_ violation: Exploration.Violation) {
    state.withLock { $0.violations.append(violation) }
  }

  var judged: Int { state.withLock { $0.judged } }
  var secondLives: Int { state.withLock { $0.secondLives } }
  var nested: Int { state.withLock { $0.nested } }
  var violations: [Exploration.Violation] { state.withLock { $0.violations } }
}
