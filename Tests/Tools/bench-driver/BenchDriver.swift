import ArgumentParser

/// The metadata workloads of scripts/bench: system calls in a loop, with a clock around the loop only.
///
/// Each command prints one line of JSON, `{"operations": N, "seconds": S}`.
@main
struct BenchDriver: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-driver",
    abstract: "Do one thing to many files, and say how long it took.",
    subcommands: [
      Create.self, Stat.self, List.self, Read.self, Rename.self, Unlink.self, Append.self,
      Fragment.self, ReadBlocks.self, SourceTree.self, Statfs.self,
    ])
}
