import CrashExploration
import TestSupport
import Testing

/// Each write and each flush of a workload fails in turn.
@Suite(.serialized) struct FaultInjectionTests {
  private static let workloads = [
    Workloads.unlinkedFiles,
    Workload("a little of everything") { volume, random in
      var work = RandomWork()
      try work.run(40, on: volume, &random)
    },
    Workloads.ext3(
      Workload("a little of everything on ext3") { volume, random in
        var work = RandomWork()
        work.steps.removeAll(where: RandomWork.Step.needingExtents.contains)
        try work.run(40, on: volume, &random)
      }),
  ]

  @Test func everyFaultIsToldAndNothingIsLost() throws {
    for workload in Self.workloads {
      let report = try FaultInjection(workload, seed: 5).run()
      print(
        "\(workload.name): \(report.faults) faults, \(report.noticed) told, \(report.stopped) stopped writing, "
          + "\(report.flaws.count) flaws")
      for flaw in report.flaws.prefix(5) { Issue.record("\(flaw)") }
      #expect(report.faults > 100)
    }
  }
}
