import CrashExploration
import TestSupport
import Testing

/// Each write and each flush of a workload fails in turn, and each read.
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

  private static let readWorkloads = [
    Workloads.coldMetadata, Workloads.ext3(Workloads.coldMetadata),
    Workloads.coldAttributes, Workloads.coldRanges,
  ]

  /// Whatever cannot be read, what was begun has not happened, or writing stops: the file system is whole.
  @Test func readsThatFailLeaveNothingHalfDone() throws {
    for workload in Self.readWorkloads {
      let report = try FaultInjection(workload, seed: 5).runReads()
      print(
        "\(workload.name): \(report.faults) reads that fail, \(report.noticed) told, "
          + "\(report.stopped) stopped writing, \(report.stoppedByPassing) of \(report.passing) by one error, "
          + "\(report.flaws.count) flaws")
      for flaw in report.flaws.prefix(5) { Issue.record("\(flaw)") }
      #expect(report.faults > 50)
      // An error that can be undone is no reason to stop; where all fails from then on, writing must stop.
      #expect(report.stoppedByPassing < report.passing / 10)
    }
  }
}
