import Corruption
import Foundation
import Synchronization
import TestSupport
import Testing

/// One field at a time of all that an image's metadata is made of: whatever it says, no operation dies, takes long, takes much memory or
/// writes where it must not, and what e2fsck calls clean stays clean.
///
/// A sample by seed (FUSE4FS_SEED; FUSE4FS_ITERATIONS=N for N times as many), or all (FUSE4FS_CORRUPTION=all).
@Suite(.serialized) struct StructuredCorruptionTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let isComplete = environment["FUSE4FS_CORRUPTION"] == "all"
  private static let seed = environment["FUSE4FS_SEED"].flatMap { UInt64($0) } ?? 1
  private static let sampleSize =
    4000 * (environment["FUSE4FS_ITERATIONS"].flatMap { Int($0) } ?? 1)
  /// Of the tours that change something, so many are between two runs of e2fsck.
  private static let checksOneIn = isComplete ? 2 : 6
  /// Of all that e2fsck is asked about before a tour, it may fail to come to an end at one in so many (and a few, where it is asked little), or
  /// it judges nothing any more. It is one in a thousand.
  private static let unjudgedOneIn = 400
  /// KiB.
  private static let memoryLimit = 200 << 10

  @Test func noFieldDoesHarm() throws {
    let plan = CorruptionPlan(try BaseImage.all())
    #expect(plan.cases.count > 20_000)
    let numbers = Self.isComplete ? Array(plan.cases.indices) : Self.sample(of: plan)
    print(
      "corruption: \(numbers.count) of \(plan.cases.count) images"
        + (Self.isComplete ? "" : ", seed \(Self.seed)"))
    let table = Mutex(CorruptionTable())
    let next = Mutex(0)
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: ProcessInfo.processInfo.activeProcessorCount) { _ in
      let process = TourProcess()
      while true {
        let index = next.withLock { next -> Int in
          defer { next += 1 }
          return next
        }
        guard index < numbers.count else { return }
        do {
          for violation in try Self.judge(numbers[index], plan, process, table) {
            failures.withLock { $0.append(violation) }
          }
        } catch {
          failures.withLock { $0.append("\(plan.describe(numbers[index])): \(error)") }
        }
      }
    }
    let (asked, unjudged) = table.withLock { table in
      print(table.text)
      return (table.asked, table.unjudged)
    }
    print("corruption: no verdict of e2fsck on \(unjudged) of \(asked)")
    #expect(unjudged <= 4 + asked / Self.unjudgedOneIn)
    let found = failures.withLock { $0 }
    for failure in found { print("corruption: \(failure)") }
    #expect(found.isEmpty, "\(found.count) violations; the first: \(found.first ?? "")")
  }

  /// The tours of one case. Returns what must not be.
  private static func judge(
    _ number: Int, _ plan: CorruptionPlan, _ process: TourProcess,
    _ table: borrowing Mutex<CorruptionTable>
  ) throws -> [String] {
    var violations: [String] = []
    let changing: [Tour.Course] = [.change, .remove, .map]
    let courses = [.look] + (isComplete ? changing : [changing[number % 3]])
    for (index, course) in courses.enumerated() {
      let checks = (number / 3 + index) % checksOneIn == 0
      let outcome = try process.tour(number, course, checks: checks)
      table.withLock { $0.add(outcome, number, course, plan) }
      let place = "\(number) \(course): \(plan.describe(number))"
      switch outcome {
      case .same: return violations
      case .died(let how): violations.append("\(place): \(how)")
      case .toured(let result):
        if let violation = result.violation { violations.append("\(place): \(violation)") }
        if result.peak > memoryLimit, !Sanitizer.isOn {
          violations.append("\(place): \(result.peak >> 10) MiB of memory")
        }
      }
    }
    return violations
  }

  /// What was wrong once, by image and field: each course leaves the file system sound, or as e2fsck -p can put right. E2fsck judges both
  /// sides of each tour, where it comes to an end.
  @Test(arguments: [
    // A name went to a block whose range did not include its hash.
    "ext4: htree root of inode 22, entry[1].hash signBit",
    "ext4: htree root of inode 22, entry[1].hash random",
    // The bitmap shows metadata as free: deleted files stayed on a list that e2fsck -p does not accept.
    "ext4-groups: block bitmap of group 0, word[0] signBit",
    "ext4-groups: block bitmap of group 0, word[1] oneLess",
    // After a replay e2fsck -p looked for the file system at the beginning of the disk.
    "ext3: superblock , errors oneMore", "ext4: superblock , errors oneMore",
    // E2fsck does not come to an end, and does not heed SIGTERM.
    "ext4-4k: group descriptor 0, inode_table_lo zero",
    "bigalloc: group descriptor 0, inode_table_lo zero",
  ])
  func whatWasFoundIsMended(_ description: String) throws {
    let plan = CorruptionPlan(try BaseImage.all())
    let number = try #require(plan.cases.indices.first { plan.describe($0) == description })
    let process = TourProcess()
    for course: Tour.Course in [.change, .remove, .map] {
      switch try process.tour(number, course, checks: true) {
      case .same: Issue.record("\(course): that changes nothing")
      case .died(let how): Issue.record("\(course): \(how)")
      case .toured(let result):
        #expect(result.violation == nil, "\(course)")
        #expect(result.isUnjudged == description.contains("inode_table_lo"), "\(course)")
      }
    }
  }

  /// As many of each kind, as far as there are.
  private static func sample(of plan: CorruptionPlan) -> [Int] {
    var random = SeededGenerator(seed: seed)
    var kinds: [MetadataKind: [Int]] = [:]
    for number in plan.cases.indices { kinds[plan.kind(number), default: []].append(number) }
    var lists = MetadataKind.allCases.compactMap { kinds[$0]?.shuffled(using: &random) }
    var chosen: [Int] = []
    while chosen.count < sampleSize, lists.contains(where: { !$0.isEmpty }) {
      for index in lists.indices {
        if let number = lists[index].popLast() { chosen.append(number) }
      }
    }
    return Array(chosen.prefix(sampleSize))
  }
}
