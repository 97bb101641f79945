import TestSupport
import Testing

@testable import Journal

/// More revoked blocks than are kept in mind: what goes home stays the same.
@Suite struct RevokeMemoryTests {
  @Test(arguments: RecoveryTests.features)
  func onlyThoseWithCopiesCount(_ features: JournalFeatures) throws {
    var log = try LogBuilder(features)
    try log.transaction([(100, 1), (101, 1), (102, 1)])
    try log.transaction([(103, 2)], revoking: [100] + Array(200..<260))
    try log.transaction([(104, 3)], revoking: [102])
    try log.finish()
    let journal = try OpenJournal(area: log.area)
    let reader = LogReader(journal)
    let scan = try LogScan(journal, reader)
    let limits = ReplayLimits(
      journal, fileSystem: log.device, firstBlock: 1, blockCount: UInt64(LogBuilder.deviceBlocks))
    for limit in [ReplayPlan.revokeLimit, 10] {
      let plan = try ReplayPlan(journal, scan, reader, limits: limits, revokeLimit: limit) { _ in }
      #expect(plan.copies.map(\.home.rawValue) == [101, 103, 104])
      #expect(plan.revokeCount == (limit == 10 ? 2 : 62))
    }
  }
}
