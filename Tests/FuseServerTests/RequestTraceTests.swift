import CLinux
import Glibc
import IomapCache
import Synchronization
import SystemPackage
import Testing

@testable import FuseServer

/// The lines of `-d`: a request, and its reply with the time, through whichever part of the session it goes.
@Suite struct RequestTraceTests {
  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    /// What has been printed since the last time, without the times.
    func take() -> [String] {
      lines.withLock { lines in
        defer { lines.removeAll() }
        return lines.map { $0.replacing(/after \d+ µs/, with: "after some µs") }
      }
    }
  }

  private func kernel(_ lines: Lines) throws -> SocketKernel {
    var options = Session.Options()
    options.trace = { lines.add($0) }
    return try SocketKernel(options)
  }

  private func caller() -> String { " (user 1000, group 100, thread \(getpid()))" }

  @Test func theConnection() throws {
    let lines = Lines()
    let kernel = try kernel(lines)
    try kernel.initialize()
    let printed = lines.take()
    #expect(printed.count == 2)
    #expect(
      printed.first?.contains(" INIT node 1 7.38, readahead 131072 bytes, ASYNC_READ ") == true)
    #expect(printed.last?.contains(" INIT reply: 7.") == true)
    // What we have added to libfuse's answer is in it.
    #expect(printed.last?.contains(" HANDLE_KILLPRIV_V2") == true)
    #expect(printed.last?.hasSuffix(", after some µs") == true)
  }

  /// By libfuse, by this code, by a thread of its own for SYNCFS, and errors.
  @Test func requestsAndReplies() throws {
    let lines = Lines()
    let kernel = try kernel(lines)
    try kernel.initialize()
    _ = lines.take()
    kernel.files.script.withLock {
      $0.attributes = .success(.sample(inode: 5, mode: 0o100_644))
      $0.entries["name"] = Entry(
        node: NodeID(7), generation: 3, attributes: .sample(inode: 7, mode: 0o040_755))
    }
    _ = try kernel.ask(FUSE_LOOKUP.rawValue, node: 5, Array("name".utf8) + [0])
    var printed = lines.take()
    #expect(printed.first == "#\(kernel.unique) LOOKUP node 5 \"name\"" + caller())
    #expect(
      printed.last?.hasPrefix(
        "#\(kernel.unique) LOOKUP reply: node 7, generation 3, inode 7, mode 040755, ") == true)
    _ = try kernel.ask(FUSE_LOOKUP.rawValue, node: 5, Array("none".utf8) + [0])
    #expect(lines.take().last == "#\(kernel.unique) LOOKUP reply: no such name, after some µs")
    _ = try kernel.ask(52, node: 5, [UInt8](repeating: 0, count: 24))
    printed = lines.take()
    #expect(printed.first == "#\(kernel.unique) STATX node 5 mask 0x0" + caller())
    #expect(printed.last?.contains("STATX reply: inode 5, mode 0100644, ") == true)
    _ = try kernel.ask(FUSE_SYNCFS.rawValue, [UInt8](repeating: 0, count: 8))
    printed = lines.take()
    #expect(printed.first == "#\(kernel.unique) SYNCFS node 1" + caller())
    #expect(printed.last?.hasPrefix("#\(kernel.unique) SYNCFS reply: ") == true)
    _ = try kernel.ask(
      FUSE_TMPFILE.rawValue, node: 9, bytes(of: fuse_create_in()) + Array("/".utf8) + [0])
    printed = lines.take()
    #expect(printed.first == "#\(kernel.unique) TMPFILE node 9 \"/\", mode 00, umask 00" + caller())
    #expect(
      printed.last
        == "#\(kernel.unique) TMPFILE reply: error 95 (Operation not supported), after some µs")
  }

  @Test func whatHasNoReply() throws {
    let lines = Lines()
    let kernel = try kernel(lines)
    try kernel.initialize()
    _ = lines.take()
    try kernel.serve(FUSE_FORGET.rawValue, node: 5, bytes(of: fuse_forget_in(nlookup: 2)))
    #expect(lines.take() == ["#\(kernel.unique) FORGET node 5 2 times" + caller()])
    try kernel.serve(FUSE_INTERRUPT.rawValue, node: 0, bytes(of: fuse_interrupt_in(unique: 77)))
    #expect(lines.take() == ["#\(kernel.unique) INTERRUPT #77" + caller()])
  }

  @Test func requestsThatAreNone() throws {
    let lines = Lines()
    let kernel = try kernel(lines)
    try kernel.initialize()
    _ = lines.take()
    _ = try kernel.ask(99)
    #expect(
      lines.take().first
        == "#\(kernel.unique) operation 99: the protocol has no such operation")
    _ = try kernel.ask(FUSE_TMPFILE.rawValue, node: 9, [0, 0, 0])
    let printed = lines.take()
    #expect(
      printed.first == "#\(kernel.unique) TMPFILE: 16 bytes must follow, and 3 do")
    #expect(
      printed.last
        == "#\(kernel.unique) TMPFILE reply: error 22 (Invalid argument), after some µs")
  }

  @Test func iomap() {
    let lines = Lines()
    let trace = RequestTrace { lines.add($0) }
    func message(_ opcode: UInt32, _ payload: [UInt8]) -> [UInt8] {
      var header = fuse_in_header()
      header.len = UInt32(40 + payload.count)
      (header.opcode, header.unique, header.nodeid) = (opcode, 6, 5)
      return bytes(of: header) + payload
    }
    let begin = IomapWire.BeginRequest(
      operation: .write, attributeInode: 5, position: 4096, count: 8192)
    let reply = IomapWire.BeginReply(
      .pureOverwrite(.hole(at: FileOffset(4096), length: 4096)))
    message(4094, begin.withBytes { Array($0) }).withUnsafeBytes { trace.received($0) }
    reply.withBytes { trace.sends(.init(payloadSize: 64, unique: 6), $0) }
    #expect(
      lines.take() == [
        "#6 IOMAP_BEGIN node 5 8192 bytes at 4096, operation 0x1 (user 0, group 0, thread 0)",
        "#6 IOMAP_BEGIN reply: read hole 4096 bytes at 4096; "
          + "write pureOverwrite 4096 bytes at 4096, after some µs",
      ])
    IomapWire.InvalidationNotification(
      node: IomapNode(nodeID: 5, attributeInode: 5),
      read: .toEndOfFile(from: FileOffset(4096)), write: nil
    ).withMessage { trace.notifies($0) }
    #expect(
      lines.take() == [
        "notification IOMAP_INVAL_MAPPINGS node 5, read 18446744073709551615 bytes at 4096"
      ])
  }
}
