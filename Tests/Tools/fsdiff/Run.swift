import ArgumentParser
import Glibc
import SystemPackage
import TestSupport

extension FsDiff {
  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Do the same random operations in two directories and compare what comes of them.",
      discussion: """
        Both directories are empty file systems of one kind, mounted with noatime and nodev; run it \
        as root. The seed decides the sequence. Exits with 1 and the last operations at the first \
        difference. Not compared: the order and the size of directories, times that the clock gave.
        """)

    @Argument(help: "The directory that is right.") var first: String
    @Argument(help: "The directory to test.") var second: String
    @Option(help: "How many operations.") var ops = 2000
    @Option(help: "The seed of the sequence; random by default.") var seed: UInt64?
    @Option(help: "Operations to leave out, separated by commas.") var exclude = ""
    @Option(help: "Compare the whole trees after so many operations.") var checkEvery = 1000
    @Flag(help: "Print every operation.") var verbose = false

    func validate() throws {
      _ = try excluded()
      guard checkEvery > 0 else { throw ValidationError("--check-every is at least 1.") }
    }

    private func excluded() throws -> Set<OperationClass> {
      Set(
        try exclude.split(separator: ",").map { name in
          guard let known = OperationClass(rawValue: String(name)) else {
            throw ValidationError("There is no operation \(name).")
          }
          return known
        })
    }

    func run() throws {
      let seed = self.seed ?? .random(in: 0...UInt64(UInt32.max))
      print("fsdiff: \(first) and \(second), \(ops) operations, seed \(seed)")
      guard geteuid() == 0, setgroups(0, nil) == 0 else {
        throw ValidationError("Run it as root: it becomes other users.")
      }
      umask(0)
      let sides = [try Side(FilePath(first)), try Side(FilePath(second))]
      let blockSize = try sides[0].blockSize
      // So that the other users get somewhere.
      let openRoot = Step(operation: .chmod(".", mode: 0o777), user: 0)
      for side in sides { _ = try side.perform(openRoot) }
      var workload = Workload(seed: seed, excluded: try excluded(), blockSize: blockSize)
      var recent: [String] = []
      for number in 0..<ops {
        let step = workload.next()
        let outcomes = [try sides[0].perform(step), try sides[1].perform(step)]
        let line = "\(number): \(step) -> \(outcomes[0])"
        if verbose { print(line) }
        if !outcomes[0].isMatched(by: outcomes[1]) {
          try fail(recent, "\(number): \(step)", outcomes)
        }
        recent = recent.suffix(19) + [line]
        workload.note(step.operation, outcomes[0])
        if number % checkEvery == checkEvery - 1 || number == ops - 1 {
          try check(sides, recent, number)
        }
      }
      for side in sides { side.closeAll() }
      try FsDiff.compare(sides[0], sides[1])
    }

    private func fail(_ recent: [String], _ step: String, _ outcomes: [Outcome]) throws {
      print("The operations before:")
      for line in recent { print("  \(line.prefix(600))") }
      print("Different: \(step)\n  first:  \(outcomes[0])\n  second: \(outcomes[1])")
      if let position = outcomes[0].firstDifference(from: outcomes[1]) {
        print("  from position \(position) of \(outcomes[0].detail.count)")
      }
      throw ExitCode.failure
    }

    /// Compares the trees and what is open: files without a name are found nowhere else.
    private func check(_ sides: [Side], _ recent: [String], _ number: Int) throws {
      do {
        try FsDiff.compare(sides[0], sides[1])
      } catch {
        print("The operations before, up to \(number):")
        for line in recent { print("  \(line.prefix(600))") }
        throw error
      }
      for slot in 0..<Workload.slots {
        let status = Step(operation: .fileStatus(slot: slot), user: 0)
        let read = Step(operation: .read(slot: slot, offset: 0, count: 262_144), user: 0)
        for step in [status, read] {
          let outcomes = [try sides[0].perform(step), try sides[1].perform(step)]
          if outcomes[0] != outcomes[1] { try fail(recent, "\(step)", outcomes) }
        }
      }
    }
  }
}
