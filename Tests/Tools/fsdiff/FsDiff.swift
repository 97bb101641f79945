import ArgumentParser
import Glibc
import SystemPackage
import TestSupport

/// Two file systems, one of them right by definition: do they do the same?
@main
struct FsDiff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare two file systems by random operations or by what they hold.",
    subcommands: [Run.self, Compare.self])

  /// Compares two trees and prints what differs.
  static func compare(_ first: Side, _ second: Side) throws {
    var comparison = try TreeComparison(first, second)
    try comparison.run()
    guard comparison.differences.isEmpty else {
      print("The trees differ (first | second):")
      for difference in comparison.differences { print("  \(difference)") }
      throw ExitCode.failure
    }
    print("fsdiff: \(comparison.compared) entries agree")
  }

  struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Compare two trees: contents, attributes, xattrs, flags, links, space.",
      discussion: "Run it as root on file systems mounted with noatime.")

    @Argument(help: "A directory.") var first: String
    @Argument(help: "Another directory.") var second: String

    func run() throws {
      try FsDiff.compare(try Side(FilePath(first)), try Side(FilePath(second)))
    }
  }
}
