import Foundation
import Glibc
import KernelDouble
import SystemPackage
import TestSupport

/// A simulated kernel and the reference server behind it, on an image of its own.
final class ReferenceMount: @unchecked Sendable {
  let kernel: SimulatedKernel
  let server: ReferenceServer
  let rules: RuleBook
  private let device: CInt

  init(
    _ configuration: SimulatedKernel.Configuration = .init(), fault: Fault = .none,
    rules: RuleBook = RuleBook(), image: FilePath,
    _ adjust: (inout ReferenceServer.Options) -> Void = { _ in }
  ) throws {
    self.rules = rules
    var options = ReferenceServer.Options()
    options.fault = fault
    adjust(&options)
    if !FileManager.default.fileExists(atPath: image.string) {
      let made = try Syscall.open(image, O_RDWR | O_CREAT)
      try Syscall.ftruncate(made, size: Int(options.blocks * options.blockSize))
      try Syscall.close(made)
    }
    device = try Syscall.open(image, O_RDWR)
    options.device = device
    let oracle = ReferenceOracle(
      blockSize: options.blockSize, hasExtents: !options.isIndirect)
    kernel = try SimulatedKernel(configuration, image: image, rules: rules, oracle: oracle)
    server = ReferenceServer(kernel: kernel, options: options)
    oracle.attach(server)
    server.run()
  }

  deinit {
    kernel.abort()
    server.join()
    close(device)
    close(kernel.daemonDescriptor)
  }

  /// Mounts, runs the body, unmounts.
  static func with<R>(
    _ configuration: SimulatedKernel.Configuration = .init(), fault: Fault = .none,
    rules: RuleBook = RuleBook(),
    _ adjust: (inout ReferenceServer.Options) -> Void = { _ in },
    _ body: (ReferenceMount) throws -> R
  ) throws -> R {
    try Scratch.with { scratch in
      let mount = try ReferenceMount(
        configuration, fault: fault, rules: rules, image: scratch.appending("image"), adjust)
      try mount.kernel.start()
      let result = try body(mount)
      try? mount.kernel.unmount()
      return result
    }
  }
}
