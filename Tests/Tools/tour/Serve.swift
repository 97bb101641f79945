import ArgumentParser
import Corruption
import Foundation
import TestSupport

/// Tours the cases of the corruption plan whose numbers it reads, one a line, and answers each with a line. If it ends before it answers, it was
/// that case.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tours numbered cases: a line NUMBER COURSE in, a line of results out.")

  mutating func run() throws {
    let plan = CorruptionPlan(try BaseImage.all())
    let disk = try HostileDisk(capacity: plan.images.map(\.contents.count).max() ?? 0)
    while let line = readLine() {
      let words = line.split(separator: " ")
      guard words.count == 3, let number = Int(words[0]), plan.cases.indices.contains(number),
        let course = UInt8(words[1]).flatMap(Tour.Course.init(rawValue:))
      else { throw Failure("a request of NUMBER COURSE CHECKS is wanted, not '\(line)'") }
      let answer = try answer(plan, number, course, checks: words[2] == "1", disk) + "\n"
      FileHandle.standardOutput.write(Data(answer.utf8))
    }
  }

  /// The words of the answer: what became of the mount, damage, slowest call in µs, peak in KiB, e2fsck's word before and after, and a
  /// sentence for what must not be.
  private func answer(
    _ plan: CorruptionPlan, _ number: Int, _ course: Tour.Course, checks: Bool,
    _ disk: HostileDisk
  ) throws -> String {
    guard try plan.load(number, on: disk) else { return "same" }
    let isCheckable = checks && course != .look
    let before = isCheckable ? try SoundnessCheck.verdict(on: disk) : nil
    ProcessMemory.resetPeak()
    let tour = DiskTour(course, of: disk)
    let peak = ProcessMemory.peak
    let report = tour.report
    var soundness = "unchecked"
    var violation = tour.violation ?? ""
    switch before {
    case nil: break
    case .complaint: soundness = "unclean"
    case .unknown: soundness = "unjudged"
    case .clean:
      soundness = "clean"
      if let after = try SoundnessCheck.verdict(on: disk).objection {
        // Some damage e2fsck does not know as such, which the kernel and the tour do: a name with a NUL in an attribute. A deleted file that has
        // it cannot be freed, and stays on the orphan list, as with the kernel. More than that must not be left.
        if report.damage > 0 {
          soundness = "disputed"
          let left = try SoundnessCheck.complaintOfPreening(disk)
          if let left { violation = "clean before, and afterwards \(after), \(left)" }
        } else {
          violation = "clean before, and afterwards \(after)"
        }
      }
    }
    let words = [
      report.refusal == nil ? "mounted" : "refused", "\(report.damage)",
      "\(report.slowest / 1000)", "\(peak)", soundness,
      report.slowestCall.replacing(" ", with: "_"),
    ]
    return words.joined(separator: " ") + "|" + violation.replacing("\n", with: " / ")
      + "|" + (report.damage > 0 ? report.lastDamage : report.refusal ?? "")
  }
}
