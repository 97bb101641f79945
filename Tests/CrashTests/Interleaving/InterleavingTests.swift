import CrashExploration
import Ext4
import Foundation
import TestSupport
import Testing

/// Writers, synchronizations, commits and checkpoints at the same time, interleaved by a seed, and power cuts at every point.
@Suite(.serialized) struct InterleavingTests {
  /// How many times as many runs as usual: FUSE4FS_ITERATIONS, for nights.
  private static let factor =
    ProcessInfo.processInfo.environment["FUSE4FS_ITERATIONS"].flatMap { Int($0) } ?? 1
  private static let firstSeed =
    ProcessInfo.processInfo.environment["FUSE4FS_SEED"].flatMap { UInt64($0) } ?? 1

  private static let workloads: [(workload: ConcurrentWorkload, runs: Int)] = [
    (ConcurrentWorkloads.fullLog, 60), (ConcurrentWorkloads.mix, 40),
    (ConcurrentWorkloads.fullDisk, 40), (ConcurrentWorkloads.reusedBlocks, 35),
  ]

  @Test func everyPowerCutLeavesAMoment() throws {
    var states = 0
    print("disks  e2fsck  runs  points  writes  flushes  operations  seconds  workload")
    for (workload, runs) in Self.workloads {
      let clock = ContinuousClock()
      let start = clock.now
      let report = try InterleavingExploration(
        workload, firstSeed: Self.firstSeed, runCount: runs * Self.factor
      ).run()
      states += report.states
      print(
        [
          report.states, report.checked, report.runs, report.points, report.writes,
          report.flushes, report.operations,
        ].map { "\($0)" }.joined(separator: "  "), clock.now - start, workload.disk.name)
      for violation in report.violations { Issue.record("\(violation)") }
    }
    print("\(states) disks")
    #expect(states >= 20_000)
  }

  private static let faults: [(fault: FaultPoint, workload: ConcurrentWorkload)] = [
    (.reckonsWithIntendedTail, ConcurrentWorkloads.fullLog),
    (.listsCopiesBeforeCommit, ConcurrentWorkloads.fullLog),
    (.commitRecordBeforeBlocks, ConcurrentWorkloads.mix),
    (.acknowledgesBeforeFlush, ConcurrentWorkloads.mix),
    (.advancesTailEarly, ConcurrentWorkloads.fullLog),
    (.forgetsCopiesEarly, ConcurrentWorkloads.reusedBlocks),
    (.takesOffCopiesGoingHome, ConcurrentWorkloads.reusedBlocks),
  ]

  /// The log is broken on purpose, in one place at a time. Some of these faults show only with a second task. The seeds are those of the
  /// exploration above.
  @Test func everyFaultIsFound() throws {
    for (fault, workload) in Self.faults {
      let runs = Self.workloads.first { $0.workload.disk.name == workload.disk.name }?.runs ?? 50
      var exploration = InterleavingExploration(
        workload, firstSeed: Self.firstSeed, runCount: runs * Self.factor)
      exploration.violationLimit = 1
      exploration.checkerEvery = 1000
      let report = try exploration.run(breaking: fault)
      let found = report.violations.first
      print(
        "\(fault): "
          + (found.map { "after \(report.runs) runs, \(report.states) disks: \($0)" } ?? "NOT FOUND")
          .prefix(300))
      if found == nil { Issue.record("no interleaving shows \(fault)") }
    }
  }

  /// A seed that is printed with a failure must lead to it again.
  @Test func aSeedDecidesTheInterleaving() throws {
    for (workload, _) in Self.workloads {
      for seed in Self.firstSeed..<Self.firstSeed + 6 {
        let traces = try InterleavingExploration(workload, firstSeed: seed, runCount: 1).traces(2)
        #expect(traces[0] == traces[1], "\(workload.disk.name), seed \(seed)")
      }
    }
  }
}
