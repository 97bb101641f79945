import CrashExploration
import Ext4
import Glibc
import TestSupport
import Testing

/// The journal is broken on purpose, one place at a time: each time power cuts must show it.
@Suite(.serialized) struct CrashMutationTests {
  private struct Mutation: Sendable {
    let fault: FaultPoint
    /// Where it is most likely to be seen.
    let workloads: [Workload]
  }

  private static let mutations = [
    Mutation(fault: .commitRecordBeforeBlocks, workloads: [Workloads.names]),
    Mutation(fault: .acknowledgesBeforeFlush, workloads: [Workloads.savedFiles]),
    Mutation(fault: .checkpointsBeforeCommit, workloads: [Workloads.names]),
    Mutation(fault: .advancesTailEarly, workloads: [Workloads.longLog]),
    Mutation(
      fault: .reusesBlocksAtOnce, workloads: [Workloads.reusedBlocks, Workloads.nearlyFull]),
    Mutation(
      fault: .forgetsRevokes,
      workloads: [Workloads.reusedBlocks, Workloads.ext3(Workloads.reusedBlocks)]),
  ]

  private static func explore(_ workload: Workload, breaking fault: FaultPoint?) throws
    -> Exploration.Report
  {
    var exploration = Exploration(workload, seed: 3, limit: 600)
    exploration.checkerEvery = 0
    exploration.nestedEvery = 0
    exploration.violationLimit = 1
    return try exploration.run(breaking: fault)
  }

  /// The same checks find nothing when the journal is not broken.
  @Test func nothingIsFoundWhereNothingIsBroken() throws {
    let workloads = Dictionary(grouping: Self.mutations.flatMap(\.workloads)) {
      "\($0.type) \($0.name)"
    }
    for workload in workloads.values {
      let report = try Self.explore(workload[0], breaking: nil)
      if let violation = report.violations.first { Issue.record("\(violation)") }
    }
  }

  @Test func everyFaultIsFound() throws {
    var mutations = Self.mutations
    // One device has one flush for data and log; only with two can the data's be forgotten. Only root can make those.
    if geteuid() == 0 {
      mutations.append(Mutation(fault: .commitsBeforeData, workloads: [Workloads.externalJournal]))
    }
    for mutation in mutations {
      var found: String?
      for workload in mutation.workloads where found == nil {
        let report = try Self.explore(workload, breaking: mutation.fault)
        found = report.violations.first.map { "after \(report.states) disks: \($0)" }
      }
      print("\(mutation.fault): \(found?.prefix(300) ?? "NOT FOUND")")
      if found == nil { Issue.record("no power cut shows \(mutation.fault)") }
    }
  }
}
