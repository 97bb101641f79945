import Corruption
import Foundation
import FuzzTargets
import SystemPackage
import TestSupport
import Testing

/// What fuzzers have found, and what they start from: each input once more, in this process.
@Suite(.serialized) struct RegressionTests {
  private static let directory = FilePath(#filePath).removingLastComponent()
    .removingLastComponent().removingLastComponent().appending("Fuzzing")

  private static func inputs(_ kind: String, _ target: FuzzTarget) throws -> [FilePath] {
    let directory = directory.appending(kind).appending(target.rawValue)
    guard FileManager.default.fileExists(atPath: directory.string) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: directory.string).sorted().map {
      directory.appending($0)
    }
  }

  @Test(arguments: FuzzTarget.allCases) func whatWasFoundIsMended(_ target: FuzzTarget) throws {
    for kind in ["Regressions", "Corpus"] {
      for input in try Self.inputs(kind, target) {
        // If this process ends here, the last line says by what.
        print("fuzz: \(target.rawValue) \(input.lastComponent?.string ?? "")")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: input.string))
        try bytes.withUnsafeBytes { try target.run($0) }
      }
    }
  }
}
