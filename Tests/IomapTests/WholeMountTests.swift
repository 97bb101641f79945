import KernelDouble
import SystemPackage
import TestSupport
import Testing

@testable import fuse4fs

/// The shortest way from mount to unmount with a kernel that moves data, and around it.
@Suite(.serialized) struct WholeMountTests {
  @Test(arguments: SimulatedKernel.Revision.allCases)
  func mountsWritesReadsUnmounts(revision: SimulatedKernel.Revision) throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("disk.img"))
      let rules = RuleBook()
      var configuration = SimulatedKernel.Configuration()
      configuration.revision = revision
      let mount = try SimulatedMount(image, configuration, rules: rules)
      let kernel = mount.kernel
      let file = try kernel.create("hello")
      let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
      try kernel.write(file, at: 0, bytes)
      try kernel.fsync(file)
      #expect(try kernel.read(file, at: 0, count: 200_000) == bytes)
      try kernel.close(file)
      #expect(kernel.counters["read"] == 0 && kernel.counters["write"] == 0)
      try mount.unmount()
      try rules.verify()
    }
  }

  /// A kernel without iomap gets its data from the daemon, unless that is not wanted.
  @Test func aKernelWithoutIomap() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("disk.img"))
      let rules = RuleBook()
      var configuration = SimulatedKernel.Configuration()
      configuration.offersIomap = false
      let mount = try SimulatedMount(image, configuration, rules: rules)
      let file = try mount.kernel.create("hello")
      try mount.kernel.write(file, at: 0, [1, 2, 3])
      #expect(try mount.kernel.read(file, at: 0, count: 3) == [1, 2, 3])
      try mount.kernel.close(file)
      try mount.unmount()
      try rules.verify()
      #expect(throws: StartupFailure.self) {
        try SimulatedMount(image, configuration, rules: rules, options: ["iomap=always"])
      }
    }
  }
}
