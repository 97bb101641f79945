import Foundation
import KernelDouble
import TestSupport
import Testing

/// The model checker against a server that is right.
@Suite(.serialized)
struct ModelCheckerTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    var name: String
    var blockSize: UInt64
    var configuration: SimulatedKernel.Configuration
    var testDescription: String { "\(name), \(blockSize)" }
  }

  static let variants: [Variant] = SimulatedKernel.Revision.allCases.flatMap { revision in
    ([1024, 2048, 4096] as [UInt64]).flatMap { blockSize -> [Variant] in
      var calm = SimulatedKernel.Configuration()
      calm.revision = revision
      calm.seed = blockSize
      var rough = calm
      rough.evictionProbability = 0.02
      rough.upsertFailureProbability = 0.05
      rough.completionDelayProbability = 0.05
      rough.shortCopyProbability = 0.02
      rough.writebackThreads = 3
      return [
        Variant(name: "\(revision) calm", blockSize: blockSize, configuration: calm),
        Variant(name: "\(revision) rough", blockSize: blockSize, configuration: rough),
      ]
    }
  }

  /// FUSE4FS_SEED and FUSE4FS_OPERATIONS ask for other and longer sequences.
  @Test(arguments: variants)
  func contentsAgree(variant: Variant) throws {
    let environment = ProcessInfo.processInfo.environment
    var plan = IomapModelChecker.Plan()
    plan.operations = environment["FUSE4FS_OPERATIONS"].flatMap { Int($0) } ?? 2000
    plan.seed = environment["FUSE4FS_SEED"].flatMap { UInt64($0) } ?? variant.blockSize
    let adjust: (inout ReferenceServer.Options) -> Void = {
      $0.blockSize = variant.blockSize
      $0.blocks = 32_768
    }
    try ReferenceMount.with(variant.configuration, adjust) { mount in
      let result = try IomapModelChecker(mount.kernel, plan).run()
      try mount.rules.verify()
      if plan.operations >= 100_000 {
        print("\(Int(result.operationsPerSecond)) operations/s\n\(result.counters)")
      }
    }
  }
}
