import Foundation
import KernelDouble
import SystemPackage
import TestSupport
import Testing

@testable import fuse4fs

/// Random operations of user programs through the simulated kernel, against a model of what files must hold; in between, what is
/// on disk is read by others.
@Suite(.serialized) struct ModelCheckTests {
  struct Setting: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var revision = SimulatedKernel.Revision.v7
    var type = "ext4"
    var blockSize = 4096
    var features: [String] = []
    var options: [String] = []
    var operations = 20_000
    var seed: UInt64 = 1
    var isUnkind = false
  }

  static let settings: [Setting] = [
    Setting(testDescription: "v7, ext4, 4 KiB blocks"),
    Setting(testDescription: "v6, ext4, 4 KiB blocks", revision: .v6, seed: 2),
    Setting(testDescription: "v7, ext4, 1 KiB blocks", blockSize: 1024, seed: 3),
    Setting(testDescription: "v6, ext4, 2 KiB blocks", revision: .v6, blockSize: 2048, seed: 4),
    Setting(testDescription: "v7, ext3", type: "ext3", seed: 5),
    Setting(testDescription: "v7, ext2, 1 KiB blocks", type: "ext2", blockSize: 1024, seed: 6),
    Setting(testDescription: "v7, unkind", seed: 7, isUnkind: true),
    Setting(testDescription: "v6, unkind", revision: .v6, seed: 8, isUnkind: true),
    Setting(testDescription: "v7, inline data", features: ["inline_data"], seed: 9),
    Setting(testDescription: "v7, no cache", options: ["iomap_cache=off"], seed: 10),
  ]

  /// How many times as many operations as usual: FUSE4FS_ITERATIONS, for nights.
  private static let factor =
    ProcessInfo.processInfo.environment["FUSE4FS_ITERATIONS"].flatMap { Int($0) } ?? 1

  /// What the files in the root hold, as the simulated kernel reads them and the model has confirmed.
  private static func contents(_ kernel: SimulatedKernel) throws -> [String: [UInt8]] {
    var contents: [String: [UInt8]] = [:]
    for entry in try kernel.readdirplus() where entry.type == 8 {
      guard let node = entry.node else { continue }
      let file = try kernel.open(node)
      contents[entry.name] = try kernel.read(file, at: 0, count: Int(file.size))
      try kernel.close(file)
    }
    return contents
  }

  /// The kernel's ext4 is the judge.
  private static func compare(
    _ contents: [String: [UInt8]], with image: Image, _ scratch: Scratch
  ) throws {
    #expect(!contents.isEmpty)
    guard getuid() == 0 else { return }
    try KernelMount.with(image, at: try scratch.directory("kernel"), options: ["ro"]) { root in
      for (name, bytes) in contents {
        let found = try Data(contentsOf: URL(fileURLWithPath: root.appending(name).string))
        #expect(Array(found) == bytes, "\(name) on disk is not what was written")
      }
    }
  }

  @Test(arguments: settings) func agrees(_ setting: Setting) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("disk.img"), type: setting.type, features: setting.features,
        blockSize: setting.blockSize)
      let rules = RuleBook()
      var configuration = SimulatedKernel.Configuration()
      configuration.revision = setting.revision
      configuration.seed = setting.seed
      if setting.isUnkind {
        configuration.evictionProbability = 0.01
        configuration.upsertFailureProbability = 0.05
        configuration.completionDelayProbability = 0.1
        configuration.shortCopyProbability = 0.02
      }
      let mount = try SimulatedMount(image, configuration, rules: rules, options: setting.options)
      var plan = IomapModelChecker.Plan()
      plan.operations = setting.operations * Self.factor
      plan.seed = setting.seed
      let result: IomapModelChecker.Result
      do {
        result = try IomapModelChecker(mount.kernel, plan).run()
      } catch {
        // The kernel ends the connection when no answer comes, or a rule is broken: then the error only follows from that.
        do { try rules.verify() } catch let cause { throw Failure("\(cause)\n\(error)") }
        throw error
      }
      let contents = try Self.contents(mount.kernel)
      try mount.unmount()
      try rules.verify()
      try Self.compare(contents, with: image, scratch)
      print("\(setting.testDescription): \(Int(result.operationsPerSecond)) operations/s")
    }
  }
}
