import ArgumentParser
import Corruption
import Foundation
import TestSupport

/// Tours whole images from files.
struct Images: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images", abstract: "Tours the images in files, each from the beginning.")

  @Option(help: "The disk as the last tour leaves it goes into this file.") var output: String?
  @Option(help: "Only this course: 0 to look, 1 to change, 2 to remove, 3 to map.")
  var course: UInt8?
  @Argument(help: "Files with images.") var files: [String]

  mutating func run() throws {
    var failures = 0
    for file in files {
      let contents = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
      for course in Tour.Course.allCases where self.course ?? course.rawValue == course.rawValue {
        let disk = try HostileDisk(capacity: contents.count)
        try disk.load(contents)
        let clean = try SoundnessCheck.verdict(on: disk).objection == nil
        let tour = DiskTour(course, of: disk)
        if let output { try Data(disk.bytes.raw).write(to: URL(fileURLWithPath: output)) }
        var violation = tour.violation
        if clean, course != .look, let after = try SoundnessCheck.verdict(on: disk).objection {
          violation = violation ?? "clean before, and afterwards \(after)"
        }
        let report = tour.report
        print(
          file, course, report.refusal.map { "refused: \($0)" } ?? "mounted",
          "\(report.calls) calls, \(report.errors) errors, \(report.damage) of damage,",
          "slowest \(report.slowestCall) \(report.slowest / 1000) us", clean ? "clean" : "unclean",
          report.damage > 0 ? report.lastDamage : "")
        if let violation {
          failures += 1
          print(file, course, "VIOLATION:", violation)
        }
      }
    }
    if failures > 0 { throw ExitCode.failure }
  }
}
