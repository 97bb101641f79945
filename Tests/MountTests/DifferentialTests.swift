import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// The same random operations on two copies of an image, one mounted by the kernel: what it does is
  /// right. FUSE4FS_SEED sets the seed of a run that is to be repeated.
  @Suite struct DifferentialTests {
    struct Configuration: Sendable, CustomTestStringConvertible {
      var type = "ext4"
      var blockSize = 4096
      var features: [String] = []
      var options: [String] = []

      var testDescription: String {
        "\(type), blocks of \(blockSize)"
          + (features + options).map { ", \($0)" }.joined()
      }
    }

    private static let operations = 3000

    /// ext2 and ext3 map blocks indirectly; mounting as ext4 is how the kernel does them, too.
    static let configurations = [
      Configuration(),
      Configuration(blockSize: 1024),
      Configuration(features: ["^has_journal"]),
      Configuration(blockSize: 1024, features: ["^has_journal", "^64bit"]),
      Configuration(type: "ext2", blockSize: 1024),
      Configuration(type: "ext2", options: ["-I", "128"]),
      Configuration(type: "ext3"),
      Configuration(features: ["^metadata_csum", "^64bit"]),
      Configuration(features: ["inline_data"]),
      Configuration(blockSize: 1024, features: ["inline_data"]),
    ]

    /// The same sequences in every run, so that a failure is there for the next one to see; FUSE4FS_SEED, a number or
    /// "random", makes others.
    static let seed: UInt64 =
      switch ProcessInfo.processInfo.environment["FUSE4FS_SEED"] {
      case nil: 7
      case "random": .random(in: 0...UInt64(UInt32.max))
      case let number?: UInt64(number) ?? 7
      }

    @Test(arguments: configurations)
    func sameAsTheKernel(_ configuration: Configuration) throws {
      let seed = Self.seed
      print("differential: \(configuration.testDescription), seed \(seed)")
      try Site.with(
        size: "256M", type: configuration.type, features: configuration.features,
        blockSize: configuration.blockSize, options: configuration.options
      ) { site in
        let twin = Image(existing: site.scratch.appending("twin.img"))
        let right = try site.scratch.directory("right")
        try Command(["cp", "--sparse=always", site.image.path.string, twin.path.string]).succeed()
        let fsdiff = try Daemon.tool("fsdiff").string
        let plan = Mounted.Plan(options: ["allow_other", "noatime", "dev"], timeout: 300)

        // With delayed allocation the kernel's SEEK_DATA overlooks what indirect files have in memory.
        let delay = configuration.type == "ext4" ? "delalloc" : "nodelalloc"
        try KernelMount.with(twin, at: right, options: ["dev", delay]) { right in
          try site.mount(plan) { root in
            let run = try Command(
              [
                fsdiff, "run", right.string, root.string, "--ops", "\(Self.operations)",
                "--seed", "\(seed)",
                "--exclude",
                // Immutability is the server's to enforce over FUSE, behind the kernel's other checks and
                // without a say when files are opened: other errnos win. AttributeTests has it.
                configuration.options.contains("128") ? "immutable,futureTimes" : "immutable",
              ], timeout: 240
            ).run()
            #expect(run.succeeded, "\(run.description)")
          }
        }

        func compare(_ first: FilePath, _ second: FilePath) throws {
          let run = try Command([fsdiff, "compare", first.string, second.string]).run()
          #expect(run.succeeded, "\(run.description)")
        }
        // The kernel reads what we wrote.
        try KernelMount.with(twin, at: right) { right in
          try site.kernel { root in try compare(right, root) }
        }
        // We read what the kernel wrote.
        let other = try site.scratch.directory("other")
        try KernelMount.with(site.image, at: right) { right in
          try Mounted.with(twin, at: other, plan) { mounted in try compare(right, mounted.point) }
        }
      }
    }
  }
}
