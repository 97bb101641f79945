import ArgumentParser
import Corruption
import Foundation
import TestSupport

/// Says what a case of the corruption tests is, and tours it again.
struct Case: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tours one case of the corruption tests by its number.")

  @Argument(help: "The number.") var number: Int
  @Argument(help: "The course: 0 to look, 1 to change, 2 to remove, 3 to map.") var course: UInt8 =
    0
  @Option(help: "Only writes the image into this file.") var output: String?

  mutating func run() throws {
    let plan = CorruptionPlan(try BaseImage.all())
    guard plan.cases.indices.contains(number), let course = Tour.Course(rawValue: course) else {
      throw Failure("there are \(plan.cases.count) cases and \(Tour.Course.allCases.count) courses")
    }
    print("\(number): \(plan.describe(number))")
    let disk = try HostileDisk(capacity: plan.images.map(\.contents.count).max() ?? 0)
    guard try plan.load(number, on: disk) else { return print("that changes nothing") }
    if let output {
      return try Data(disk.bytes.raw).write(to: URL(fileURLWithPath: output))
    }
    let before = try SoundnessCheck.verdict(on: disk)
    print(before.objection ?? "e2fsck calls it clean")
    let tour = DiskTour(course, of: disk)
    print(tour.report)
    print(tour.violation ?? "nothing that must not be")
    guard let after = try SoundnessCheck.verdict(on: disk).objection else { return }
    print("afterwards \(after)")
    print(try SoundnessCheck.complaintOfPreening(disk) ?? "e2fsck -p puts that right")
  }
}
