import CrashExploration
import Ext4
import Foundation
import Synchronization
import TestSupport
import Testing

/// Bounded black-box workloads, as CrashMonkey and ACE have them (Mohan et al., OSDI 2018): sequences of one, two and three operations
/// over a few files, with persistence points, and power cuts in each.
@Suite(.serialized) struct BoundedTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let factor = environment["FUSE4FS_ITERATIONS"].flatMap { Int($0) } ?? 1
  private static let seed = environment["FUSE4FS_SEED"].flatMap { UInt64($0) } ?? 1
  /// FUSE4FS_BOUNDED=2: all sequences of two, instead of samples.
  private static let wholeLength = environment["FUSE4FS_BOUNDED"].flatMap { Int($0) }

  private static func exploration(mounts: Bool) throws -> BoundedExploration {
    var exploration = try BoundedExploration()
    exploration.seed = seed
    // The files in the image are root's.
    if mounts, geteuid() == 0 { exploration.mountEvery = 50 }
    exploration.progress = { print("  \(row($0))") }
    return exploration
  }

  private static let columns =
    "sequences  disks  seen by e2fsck  through a mount  images there  violations"

  private static func row(_ report: BoundedExploration.Report) -> String {
    [
      report.sequences, report.states, report.checked, report.mounted, report.images,
      report.violations.count,
    ].map { "\($0)" }.joined(separator: "  ")
  }

  private static func explore(
    _ name: String, _ count: Int, _ sequence: @Sendable (Int) -> BoundedSequence
  ) throws -> BoundedExploration.Report {
    let clock = ContinuousClock()
    let start = clock.now
    let report = try exploration(mounts: true).run(count, sequence)
    print("\(name): \(row(report))  \(clock.now - start)")
    for violation in report.violations.prefix(3) { Issue.record("\(violation)") }
    return report
  }

  @Test func powerCutsLeaveWhatWasThere() throws {
    print("bounded sequences, seed \(Self.seed): \(Self.columns)  time")
    if let length = Self.wholeLength {
      let count = BoundedSequence.count(ofLength: length)
      let report = try Self.explore("all of \(length)", count) {
        BoundedSequence(number: $0, ofLength: length)
      }
      #expect(report.sequences == count)
      return
    }
    let ones = BoundedSequence.count(ofLength: 1)
    let all = try Self.explore("all of one", ones) { BoundedSequence(number: $0, ofLength: 1) }
    #expect(all.sequences == ones)
    var random = SeededGenerator(seed: Self.seed)
    for (length, count) in [(2, 600), (3, 300)] {
      let sample = BoundedSequence.sample(count * Self.factor, ofLength: length, &random)
      let report = try Self.explore("some of \(length)", sample.count) { sample[$0] }
      #expect(report.sequences == sample.count)
      #expect(report.states > 10 * sample.count)
    }
  }

  /// Sequences of one operation show what a broken journal does.
  @Test(arguments: [
    FaultPoint.acknowledgesBeforeFlush, .checkpointsBeforeCommit, .advancesTailEarly,
  ])
  func aFaultOnPurposeIsFound(_ fault: FaultPoint) throws {
    var exploration = try Self.exploration(mounts: false)
    exploration.violationLimit = 1
    let ones = BoundedSequence.count(ofLength: 1)
    let report = exploration.run(ones, breaking: fault) { BoundedSequence(number: $0, ofLength: 1) }
    print("\(fault): \(report.violations.first?.prefix(300) ?? "NOT FOUND")")
    #expect(!report.violations.isEmpty)
  }

  /// What no program has asked to be kept is not in the image of a daemon that is killed.
  @Test(.enabled(if: geteuid() == 0, "the files in the image are root's"))
  func whatIsMissingBehindAMountIsNoticed() throws {
    var exploration = try Self.exploration(mounts: true)
    exploration.mountEvery = 1
    exploration.mountsSynchronize = false
    let operations: [BoundedOperation] = [.create("foo"), .write("foo", .direct, .append)]
    let report = exploration.run(operations.count) { BoundedSequence([(operations[$0], .fsync)]) }
    #expect(report.violations.count == operations.count)
    #expect(report.violations.allSatisfy { $0.contains("through a mount") })
  }

  // MARK: The generator

  @Test func everyOperationIsThereOnce() {
    #expect(Set(BoundedOperation.all).count == BoundedOperation.all.count)
    let ones = (0..<BoundedSequence.count(ofLength: 1)).map {
      BoundedSequence(number: $0, ofLength: 1)
    }
    #expect(Set(ones).count == ones.count)
    #expect(ones.allSatisfy { $0.steps.last?.persistence != BoundedSequence.Persistence.none })
  }

  @Test func dependenciesComeFirst() {
    func steps(_ operations: BoundedOperation...) -> String {
      "\(BoundedSequence(operations.map { ($0, .none) }))"
    }
    #expect(
      steps(.rename("A/foo", "bar", replacing: true))
        == "mkdir A; create A/foo; fill A/foo; create bar; fill bar; rename A/foo bar, which is there"
    )
    #expect(
      steps(.create("foo"), .create("foo")) == "create foo; remove foo; create foo")
    #expect(
      steps(.create("A/foo"), .rename("A", "B", replacing: false), .setAttribute("A/foo"))
        == "mkdir A; create A/foo; rename A B; mkdir A; create A/foo; setxattr A/foo")
    #expect(
      steps(.write("foo", .mapped, .append))
        == "create foo; falloc foo allocate append; mapped write foo append")
    #expect(
      steps(.symbolicLink("foo", "bar"), .rename("foo", "bar", replacing: true)).hasSuffix(
        "create foo; fill foo; remove bar; create bar; fill bar; rename foo bar, which is there"))
  }
}
