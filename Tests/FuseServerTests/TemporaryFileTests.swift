import CLinux
import Glibc
import Testing

@testable import FuseServer

/// FUSE_TMPFILE, whose request is that of FUSE_CREATE, as is the answer (include/uapi/linux/fuse.h, 7.37).
@Suite struct TemporaryFileTests {
  private let opcode: UInt32 = 51

  private var request: [UInt8] {
    var request = fuse_create_in()
    request.flags = .max
    request.mode = 0o106_640
    request.umask = 0o027
    return bytes(of: request) + Array("#12".utf8) + [0]
  }

  @Test func isAnEntryAndAnOpenFile() throws {
    let kernel = try SocketKernel()
    try kernel.initialize()
    let attributes = Attributes.sample(mode: 0o100_600)
    kernel.files.script.withLock {
      $0.entries[""] = Entry(node: NodeID(77), generation: 5, attributes: attributes)
    }
    let reply = try kernel.ask(opcode, node: 9, request)
    #expect(reply.error == 0)
    let entrySize = MemoryLayout<fuse_entry_out>.size
    #expect(reply.payload.count == entrySize + MemoryLayout<fuse_open_out>.size)
    let entry = load(fuse_entry_out.self, reply.payload)
    #expect(entry.nodeid == 77 && entry.generation == 5 && entry.attr.mode == 0o100_600)
    let open = load(fuse_open_out.self, reply.payload, at: entrySize)
    #expect(open.open_flags == UInt32(FOPEN_KEEP_CACHE))
    let made = try #require(kernel.files.script.withLock { $0.temporaryFiles.first })
    #expect(made.parent == NodeID(9) && made.mode == 0o106_640)
    #expect(made.userID == 1000 && made.groupID == 100 && made.umask == 0o027)
    #expect(made.thread == getpid())
  }

  /// Where the kernel was told not to ask about opening, it does not tell about closing either, for which the end of a mount would wait.
  @Test(arguments: [true, false])
  func isAwaitedWhereTheKernelTells(isOpeningDeclined: Bool) throws {
    let kernel = try SocketKernel()
    try kernel.initialize(
      offering: isOpeningDeclined
        ? SocketKernel.usualFlags : SocketKernel.usualFlags & ~UInt32(FUSE_NO_OPEN_SUPPORT))
    kernel.files.script.withLock {
      $0.entries[""] = Entry(
        node: NodeID(77), generation: 5, attributes: .sample(mode: 0o100_600))
    }
    #expect(try kernel.ask(opcode, node: 9, request).error == 0)
    #expect(kernel.session.dispatch.handles.waitForNone(seconds: 0) == isOpeningDeclined)
  }

  @Test func errorsAreAnswered() throws {
    let kernel = try SocketKernel()
    try kernel.initialize()
    #expect(try kernel.ask(opcode, node: 9, request).error == -EOPNOTSUPP)
    #expect(try kernel.ask(opcode, node: 9, [0, 0, 0]).error == -EINVAL)
  }
}
