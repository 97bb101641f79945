import CFuse3
import CLinux
import SystemPackage
import Testing

@testable import FuseServer

/// Direct writes to files of which the kernel may have pages.
@Suite struct DirectWriteTests {
  private func withKernel(workers: Int = 4, _ body: (SocketKernel) throws -> Void) throws {
    var options = Session.Options()
    options.workerCount = workers
    let kernel = try SocketKernel(options)
    try kernel.initialize()
    defer { kernel.session.dispatch.directWrites.stop() }
    try body(kernel)
  }

  private func write(_ flags: Int32, to kernel: SocketKernel) throws {
    var request = fuse_write_in()
    request.offset = 1 << 40
    request.size = 4096
    request.write_flags = UInt32(flags)
    try kernel.serve(
      FUSE_WRITE.rawValue, node: 5, bytes(of: request) + [UInt8](repeating: 1, count: 4096))
  }

  private func expectAnswer(from kernel: SocketKernel) throws {
    let reply = try kernel.receive()
    #expect(reply.unique == kernel.unique && reply.error == 0)
    #expect(load(fuse_write_out.self, reply.payload).size == 4096)
    #expect(reply.payload.count == MemoryLayout<fuse_write_out>.size)
  }

  private func expectNotification(
    from kernel: SocketKernel, offset: Int64, length: Int64
  ) throws {
    let notification = try kernel.receive()
    #expect(notification.unique == 0 && notification.error == 2)  // FUSE_NOTIFY_INVAL_INODE
    let range = load(fuse_notify_inval_inode_out.self, notification.payload)
    #expect(range.ino == 5 && range.off == offset && range.len == length)
  }

  @Test func pagesGoBeforeTheAnswer() throws {
    try withKernel { kernel in
      kernel.files.script.withLock { $0.stalePages = .written }
      try write(FUSE_WRITE_LOCKOWNER, to: kernel)
      try expectNotification(from: kernel, offset: 1 << 40, length: 4096)
      try expectAnswer(from: kernel)
      #expect(kernel.files.script.withLock { $0.droppedPages }.isEmpty)
    }
  }

  @Test func allPagesGoWhereThatPays() throws {
    try withKernel { kernel in
      kernel.files.script.withLock { $0.stalePages = .all }
      try write(FUSE_WRITE_LOCKOWNER, to: kernel)
      try expectNotification(from: kernel, offset: 0, length: 0)
      try expectAnswer(from: kernel)
      #expect(kernel.files.script.withLock { $0.droppedPages } == [NodeID(5)])
    }
  }

  @Test(arguments: [
    (FUSE_WRITE_LOCKOWNER, StalePages.none, 4), (FUSE_WRITE_CACHE, .written, 4), (0, .written, 4),
    (FUSE_WRITE_LOCKOWNER, .written, 1),
  ])
  func otherWritesAreAnsweredAtOnce(flags: Int32, pages: StalePages, workers: Int) throws {
    try withKernel(workers: workers) { kernel in
      kernel.files.script.withLock { $0.stalePages = pages }
      try write(flags, to: kernel)
      try expectAnswer(from: kernel)
      #expect(kernel.isSilent)
    }
  }

  /// One thread could not drop pages that wait for it to read them.
  @Test(arguments: [(1, false), (2, true)])
  func oneThreadTakesNoAsynchronousWrites(workers: Int, takes: Bool) throws {
    var options = Session.Options()
    options.workerCount = workers
    let kernel = try SocketKernel(options)
    let reply = try kernel.initialize()
    #expect((reply.flags & UInt32(FUSE_ASYNC_DIO) != 0) == takes)
  }

  @Test func directReadsAreKnown() throws {
    try withKernel { kernel in
      var request = fuse_read_in()
      request.size = 512
      for (flags, count) in [(0, 0), (FUSE_READ_LOCKOWNER, 1)] {
        request.read_flags = UInt32(flags)
        let reply = try kernel.ask(FUSE_READ.rawValue, node: 5, bytes(of: request))
        #expect(reply.payload.count == 512)
        #expect(kernel.files.script.withLock { $0.directReads } == count)
      }
    }
  }
}
