import ArgumentParser
import Glibc
import SystemPackage
import TestSupport

/// Random operations on one file against a model in memory, as fsx has done it since 1991.
@main
struct Fsx: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Exercise one file with random operations and compare it with a model in memory.",
    discussion: """
      The file is created or emptied. The seed decides the sequence. Exits with 1 and the last \
      operations at the first difference.
      """)

  @Argument(help: "The file.") var file: String
  @Option(help: "How many operations.") var ops = 10_000
  @Option(help: "The seed of the sequence; random by default.") var seed: UInt64?
  @Option(help: "The greatest length that the file reaches from the base, in bytes.")
  var length = 262_144
  @Option(help: "Where in the file the exercise begins, in bytes: a hole before it.") var base = 0
  @Option(help: "Operations to leave out, separated by commas.") var exclude = ""
  @Option(help: "Write the final contents, as they must be, to this file.") var save: String?

  func validate() throws {
    guard base >= 0 && base % Exerciser.alignment == 0 && length >= Exerciser.maximumCount else {
      throw ValidationError(
        "The base is a multiple of \(Exerciser.alignment), the length at least "
          + "\(Exerciser.maximumCount).")
    }
    _ = try excluded()
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
    print("fsx: \(file), \(ops) operations, seed \(seed)")
    let exerciser = try Exerciser(
      path: FilePath(file), model: FileModel(base: base, limit: length), seed: seed,
      excluded: excluded())
    var recent: [String] = []
    do {
      for number in 1...max(ops, 1) {
        let operation = exerciser.next()
        recent = recent.suffix(19) + ["\(number): \(operation)"]
        try exerciser.perform(operation)
        if number % 1000 == 0 { try exerciser.verify() }
      }
      try exerciser.verify()
    } catch {
      print("The last operations:")
      for line in recent { print("  \(line)") }
      print("fsx: \((error as? Exerciser.Mismatch)?.description ?? "\(error)")")
      throw ExitCode.failure
    }
    if let save {
      try Syscall.withOpen(FilePath(save), O_WRONLY | O_CREAT | O_TRUNC) { (file) throws(Errno) in
        _ = try Syscall.write(file, exerciser.model.bytes, at: 0)
      }
    }
    print("fsx: all agreed")
  }
}
