import CrashExploration
import Foundation
import TestSupport
import Testing

/// Power cuts at every point of every workload: what is found afterwards must be what was there at some moment since the last
/// synchronization.
@Suite(.serialized) struct ExplorationTests {
  /// How many times as many disks as usual: FUSE4FS_ITERATIONS, for nights.
  private static let factor =
    ProcessInfo.processInfo.environment["FUSE4FS_ITERATIONS"].flatMap { Int($0) } ?? 1
  private static let firstSeed =
    ProcessInfo.processInfo.environment["FUSE4FS_SEED"].flatMap { UInt64($0) } ?? 1

  private static let secondLife: Workload.Body = { volume, random in
    volume.mayBeFull = true
    var work = RandomWork()
    work.prefix = "second"
    work.steps.removeAll(where: RandomWork.Step.needingExtents.contains)
    try work.run(30, on: volume, &random)
  }

  @Test func everyPowerCutLeavesWhatWasThere() throws {
    var states = 0
    print("disks  cuts  nested  second lives  writes flushes operations  seconds  workload")
    var workloads = Workloads.all
    // Only root can make one.
    if geteuid() == 0 { workloads.append((Workloads.externalJournal, 800)) }
    for (index, (workload, limit)) in workloads.enumerated() {
      for round in 0..<UInt64(Self.factor) {
        let clock = ContinuousClock()
        let start = clock.now
        var exploration = Exploration(
          workload.with { $0.secondLife = Self.secondLife },
          seed: Self.firstSeed + UInt64(index) + 1000 * round, limit: limit)
        if workload.journalByteCount == 0 { exploration.kernelEvery = 250 }
        exploration.secondLifeEvery = 350
        let report: Exploration.Report
        do { report = try exploration.run() } catch {
          Issue.record("\(workload.name), seed \(exploration.seed): \(error)")
          continue
        }
        states += report.states
        print(
          [
            report.states, report.possible, report.nested, report.secondLives, report.writes,
            report.flushes,
            report.operations,
          ].map { "\($0)" }.joined(separator: "  "), clock.now - start, workload.name)
        for violation in report.violations.prefix(3) { Issue.record("\(violation)") }
      }
    }
    print("\(states) disks")
    #expect(states >= 10_000)
  }
}
