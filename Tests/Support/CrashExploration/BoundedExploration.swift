import Dispatch
import Ext4
import Synchronization
import TestSupport

/// Power cuts in bounded sequences, one after the other, each on a fresh file system.
public struct BoundedExploration: Sendable {
  public struct Report: Sendable {
    public internal(set) var sequences = 0
    /// Disks that were judged, and those of them that e2fsck has seen.
    public internal(set) var states = 0
    public internal(set) var checked = 0
    /// Sequences that ran through a real mount as well, and the images that were judged there.
    public internal(set) var mounted = 0
    public internal(set) var images = 0
    /// Sequences with a flaw, and what it is.
    public internal(set) var violations: [String] = []
  }

  /// Every how many disks e2fsck looks at one. It looks at each sequence's last in any case.
  public var checkEvery = 4
  /// Every how many sequences one runs through a real mount. 0: never.
  public var mountEvery = 0
  /// Programs ask for persistence through mounts. Without that, things are missing, which must be noticed.
  public var mountsSynchronize = true
  /// Disks of a sequence beyond those that a prefix of its writes leaves, chosen by chance.
  public var furtherCuts = 8
  public var seed: UInt64 = 1
  /// Go on no more after so many violations.
  public var violationLimit = 20
  /// Told how far it is, after every thousand sequences.
  public var progress: @Sendable (Report) -> Void = { _ in }

  private static let threads = 2
  /// The smallest that have a journal: it is full after a few dozen transactions.
  private static let workload = Workload("bounded") { _, _ in }.with { workload in
    workload.byteCount = 3 << 20
    workload.options = ["-J", "size=1", "-N", "64"]
  }

  private let fresh: DiskImage

  public init() throws {
    fresh = try Self.workload.makeDisk(seed: 1).image
  }

  /// All of the sequences, `count` of them, on a file system that is broken in one place if `fault` is set.
  public func run(
    _ count: Int, breaking fault: FaultPoint? = nil,
    _ sequence: @Sendable (Int) -> BoundedSequence
  ) -> Report {
    let report = Mutex(Report())
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: Self.threads) { _ in
      do {
        let disk = try Self.workload.emptyDisk()
        while true {
          let number = next.add(1, ordering: .relaxed).oldValue
          guard number < count,
            report.withLock({ $0.violations.count }) < violationLimit
          else { break }
          let sequence = sequence(number)
          let found = examine(sequence, number, on: disk, breaking: fault)
          let soFar = report.withLock { report in
            report.add(found)
            return report
          }
          if soFar.sequences % 1000 == 0 { progress(soFar) }
        }
      } catch {
        report.withLock { $0.violations.append("\(error)") }
      }
    }
    return report.withLock { $0 }
  }

  private func examine(
    _ sequence: BoundedSequence, _ number: Int, on disk: MappedDisk, breaking fault: FaultPoint?
  ) -> Report {
    var report = Report()
    report.sequences = 1
    do {
      fresh.copy(into: disk.bytes)
      let trace = Mutex<[BoundedWork.Trace]>([])
      let workload = Self.workload.with { workload in
        workload.body = { volume, _ in
          var work = BoundedWork(volume)
          try work.run(sequence)
          let steps = work.trace
          trace.withLock { $0 = steps }
        }
      }
      let recording = try Recording(workload, on: disk, seed: seed, breaking: fault)
      let judge = try Judge(workload, Verdict(recording.history))
      if let flaw = try flaw(in: recording, judge, &report) {
        report.violations.append("\(sequence): \(flaw)")
      } else if mountEvery > 0, number % mountEvery == mountEvery / 2 {
        report.mounted = 1
        let mount = BoundedMount(
          fresh: fresh, sequence: sequence, trace: trace.withLock { $0 },
          synchronizes: mountsSynchronize)
        if let flaw = try mount.flaw(judge, recording.history, &report.images) {
          report.violations.append("\(sequence), through a mount: \(flaw)")
        }
      }
    } catch {
      report.violations.append("\(sequence): \(error)")
    }
    return report
  }

  private func flaw(
    in recording: Recording, _ judge: Judge, _ report: inout Report
  ) throws -> String? {
    let cuts = CrashStates(
      recording.image, recording.log, seed: seed,
      limit: recording.log.writeCount + furtherCuts, randomPerEpoch: 2)
    for (index, state) in cuts.states.enumerated() {
      let isChecked = index % checkEvery == 0 || index == cuts.states.count - 1
      let flaw = try judge.flaw(expecting: state.expectations, isChecked: isChecked) {
        cuts.build(state.cut, in: $0)
      }
      report.states += 1
      if isChecked { report.checked += 1 }
      if let flaw { return "\(state.cut): \(flaw)" }
    }
    return nil
  }
}

extension BoundedExploration.Report {
  fileprivate mutating func add(_ other: Self) {
    sequences += other.sequences
    states += other.states
    checked += other.checked
    mounted += other.mounted
    images += other.images
    violations += other.violations
  }
}
