import CFuse3
import CLinux
import Foundation
import Glibc
import SystemPackage
import Testing

@testable import FuseServer
@testable import FuseTransport

/// SEEK_DATA, SEEK_HOLE and FIBMAP, which wait for the kernel's dirty pages.
@Suite struct DeferredRequestTests {
  private func seek(_ offset: UInt64, _ whence: Int) -> [UInt8] {
    var request = fuse_lseek_in()
    request.fh = .max
    request.offset = offset
    request.whence = UInt32(whence)
    return bytes(of: request)
  }

  private func withKernel(
    workers: Int = 4, _ body: (SocketKernel) throws -> Void
  ) throws {
    var options = Session.Options()
    options.workerCount = workers
    let kernel = try SocketKernel(options)
    try kernel.initialize()
    if workers > 1 { kernel.session.dispatch.deferred.start() }
    defer { kernel.session.dispatch.deferred.stop() }
    try body(kernel)
  }

  /// What makes the kernel write its pages of `node` back must come before the answer.
  private func expectNotification(of node: UInt64, from kernel: SocketKernel) throws {
    let notification = try kernel.receive()
    #expect(notification.unique == 0)
    #expect(notification.error == 2)  // FUSE_NOTIFY_INVAL_INODE
    #expect(load(fuse_notify_inval_inode_out.self, notification.payload).ino == node)
  }

  @Test func theKernelWritesBackBeforeItIsAnswered() throws {
    try withKernel { kernel in
      kernel.files.script.withLock { script in
        script.seek = { (offset, whence) throws(Errno) in offset + UInt64(whence) * 1000 }
      }
      for whence in [SEEK_DATA, SEEK_HOLE] {
        try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(1 << 40, Int(whence)))
        try expectNotification(of: 5, from: kernel)
        let reply = try kernel.receive()
        #expect(reply.unique == kernel.unique && reply.error == 0)
        #expect(reply.payload.count == MemoryLayout<fuse_lseek_out>.size)
        #expect(
          load(fuse_lseek_out.self, reply.payload).offset == 1 << 40 + UInt64(whence) * 1000)
      }
    }
  }

  private func map(_ block: UInt64) -> [UInt8] {
    var request = fuse_bmap_in()
    request.block = block
    request.blocksize = 1024
    return bytes(of: request)
  }

  @Test func soItDoesBeforeItLearnsWhereBlocksAre() throws {
    try withKernel { kernel in
      for (block, error) in [(UInt64(1) << 33, Int32(0)), (0, -EINVAL)] {
        try kernel.serve(FUSE_BMAP.rawValue, node: 5, map(block))
        try expectNotification(of: 5, from: kernel)
        let reply = try kernel.receive()
        #expect(reply.unique == kernel.unique && reply.error == error)
        guard error == 0 else { continue }
        #expect(load(fuse_bmap_out.self, reply.payload).block == block * 1024)
      }
    }
  }

  @Test func oneThreadAnswersAtOnceWhereBlocksAre() throws {
    try withKernel(workers: 1) { kernel in
      let reply = try kernel.ask(FUSE_BMAP.rawValue, node: 5, map(7))
      #expect(load(fuse_bmap_out.self, reply.payload).block == 7 * 1024)
    }
  }

  @Test func errorsAreAnswered() throws {
    try withKernel { kernel in
      try kernel.serve(FUSE_LSEEK.rawValue, node: 9, seek(0, Int(SEEK_DATA)))
      try expectNotification(of: 9, from: kernel)
      let reply = try kernel.receive()
      #expect(reply.unique == kernel.unique && reply.error == -ENXIO && reply.payload.isEmpty)
    }
  }

  @Test func oneThreadCannotWait() throws {
    try withKernel(workers: 1) { kernel in
      let reply = try kernel.ask(FUSE_LSEEK.rawValue, node: 5, seek(0, Int(SEEK_DATA)))
      #expect(reply.error == -ENOSYS)
    }
  }

  /// When the session ends, the threads that read go first; the descriptor on which an answer is still due must
  /// outlive them, and its number must not become another file's.
  @Test func anAnswerIsDueWhenItsReaderIsGone() throws {
    try withKernel { kernel in
      let gate = DispatchSemaphore(value: 0)
      kernel.files.script.withLock { script in
        script.seek = { (offset, _) throws(Errno) in
          gate.wait()
          return offset
        }
      }
      try serveAndLeave(kernel)
      gate.signal()
      try expectNotification(of: 5, from: kernel)
      let reply = try kernel.receive()
      #expect(reply.unique == kernel.unique && reply.error == 0)
    }
  }

  @inline(never)
  private func serveAndLeave(_ kernel: SocketKernel) throws {
    let memory = try #require(TransferMemory(threadCount: 1))
    let descriptor = KernelDescriptor(dup(kernel.descriptor), isOwned: true)
    let reader = DeviceReader(try kernel.transport, on: descriptor, memory[0], ownMemory: memory)
    try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(4096, Int(SEEK_DATA)), by: reader)
  }
}
