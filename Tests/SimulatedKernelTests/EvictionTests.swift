import TestSupport
import Testing

@testable import KernelDouble

/// How the kernel forgets inodes.
struct EvictionTests {
  /// A RELEASE in the background holds the inode: with a server that takes its time for it, FORGET comes when it is answered.
  @Test func forgetDoesNotOvertakeRelease() throws {
    try ReferenceMount.with(fault: .destroysEarly) { mount in
      let kernel = mount.kernel
      let file = try kernel.create("closed")
      try kernel.close(file)
      let isEvicted = try kernel.evict(file.node)
      #expect(isEvicted)
      #expect(kernel.connection.outstandingCount == 0)
      #expect(mount.rules.isClean, "\(mount.rules.violations)")
    }
  }
}
