import FuseProtocol
import IomapCache
import Testing

/// What is printed of requests, replies and notifications.
@Suite struct DescriptionTests {
  private func line(
    _ opcode: Opcode, _ dump: String, minor: UInt32 = 45, extensions: [UInt8] = []
  ) throws -> String {
    try message(
      opcode.rawValue, fields(dump) + extensions, extensionLength: UInt16(extensions.count)
    ).withUnsafeBytes { try RequestMessage($0, NegotiatedProtocol(minor: minor)).description }
  }

  private let caller = " (user 1000, group 100, thread 4242)"

  @Test func names() throws {
    #expect(
      try line(.lookup, "name: \"a.txt\" 00") == "#2 LOOKUP node 5 \"a.txt\"" + caller)
    #expect(
      try line(.rename, "newdir: 09 00 00 00 00 00 00 00\nold: \"a\" 00\nnew: \"b\" 00")
        == "#2 RENAME node 5 \"a\" to \"b\" in node 9" + caller)
    #expect(
      try line(.mkdir, "mode: ed 01 00 00\numask: 12 00 00 00\nname: \"d\" 00")
        == "#2 MKDIR node 5 \"d\", mode 0755, umask 022" + caller)
  }

  /// Whatever is in a name, a terminal gets a line of printable ASCII.
  @Test func namesAreEscaped() throws {
    #expect(
      try line(.unlink, "name: 1b 5b 33 31 6d 0a 22 5c c3 a4 7f 00")
        == #"#2 UNLINK node 5 "\x1b[31m\x0a\"\\\xc3\xa4\x7f""# + caller)
    let long = String(repeating: "a", count: 300)
    #expect(
      try line(.unlink, "name: \"\(long)\" 00")
        == "#2 UNLINK node 5 \"\(long.prefix(255))\"... of 300 bytes" + caller)
  }

  @Test func dataIsShownByItsSize() throws {
    #expect(
      try line(
        .write,
        """
        fh: 01 00 00 00 00 00 00 00
        offset: 00 10 00 00 00 00 00 00
        size: 03 00 00 00
        write_flags: 01 00 00 00
        lock_owner: 00 00 00 00 00 00 00 00
        flags: 00 00 00 00
        padding: 00 00 00 00
        data: "abc"
        """) == "#2 WRITE node 5 3 bytes at 4096, flags 0x1" + caller)
    #expect(
      try line(.setxattr, "size: 02 00 00 00\nflags: 00 00 00 00\nname: \"user.a\" 00 61 62")
        == "#2 SETXATTR node 5 \"user.a\", 2 bytes" + caller)
  }

  @Test func whatIsToBeSet() throws {
    let dump = """
      valid: a9 04 00 00
      padding: 00 00 00 00
      fh: 00 00 00 00 00 00 00 00
      size: 00 10 00 00 00 00 00 00
      lock_owner: 00 00 00 00 00 00 00 00
      atime: 00 00 00 00 00 00 00 00
      mtime: 07 00 00 00 00 00 00 00
      ctime: fe ff ff ff ff ff ff ff
      atimensec: 00 00 00 00
      mtimensec: 05 00 00 00
      ctimensec: ff ff ff ff
      mode: a4 81 00 00
      unused4: 00 00 00 00
      uid: 00 00 00 00
      gid: 00 00 00 00
      unused5: 00 00 00 00
      """
    #expect(
      try line(.setattr, dump)
        == "#2 SETATTR node 5 mode 0100644, size 4096, atime now, mtime 7.000000005, "
        + "ctime -2.4294967295" + caller)
  }

  @Test func theOffer() throws {
    let dump = """
      major: 07 00 00 00
      minor: 2d 00 00 00
      max_readahead: 00 00 02 00
      flags: 01 00 00 40
      flags2: 00 08 00 80
      """
    let unused = "\nunused:" + String(repeating: " 00", count: 44)
    #expect(
      try line(.initialize, dump + unused)
        == "#2 INIT node 5 7.45, readahead 131072 bytes, "
        + "ASYNC_READ INIT_EXT HAS_IO_URING_BUFPOOL 0x8000000000000000" + caller)
    #expect(
      try line(.initialize, dump.replacing("2d", with: "63") + unused)
        == "#2 INIT node 5 7.99, readahead 131072 bytes, "
        + "ASYNC_READ INIT_EXT IOMAP 0x8000000000000000" + caller)
  }

  @Test func extensions() throws {
    #expect(
      try line(
        .mkdir, "mode: ed 01 00 00\numask: 12 00 00 00\nname: \"d\" 00",
        extensions: fields(
          "groups: 10 00 00 00 20 00 00 00 01 00 00 00 64 00 00 00"))
        == "#2 MKDIR node 5 \"d\", mode 0755, umask 022, in groups 100" + caller)
  }

  /// Every request has a line of its own, of printable ASCII.
  @Test(arguments: Golden.all) func aLineForEach(_ golden: Golden) throws {
    let line = try message(golden.opcode.rawValue, golden.payload).withUnsafeBytes {
      try RequestMessage($0, golden.negotiated).description
    }
    #expect(line.hasPrefix("#2 \(golden.opcode.name) node 5"))
    #expect(line.hasSuffix(caller))
    #expect(line.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
  }

  private func reply(_ opcode: Opcode, _ payload: [UInt8]) -> String {
    payload.withUnsafeBytes { Reply.text($0, to: opcode, NegotiatedProtocol(minor: 45)) }
  }

  private func encode(_ reply: some ReplyArguments) -> [UInt8] {
    encoded(type(of: reply).size(at: 45)) { reply.encode(into: $0, at: 45) }
  }

  @Test func replies() {
    #expect(reply(.unlink, []) == "done")
    #expect(reply(.read, [1, 2, 3]) == "3 bytes")
    #expect(reply(.readlink, Array("to".utf8)) == "\"to\"")
    #expect(reply(.write, encode(Reply.Write(count: 1))) == "1 byte")
    #expect(reply(.lseek, encode(Reply.Seek(offset: 4096))) == "4096")
    #expect(
      reply(.open, encode(Reply.Open(handle: 7, flags: .keepCache))) == "handle 7, flags 0x2")
    #expect(
      reply(.ioctl, encode(Reply.Control(result: 0)) + [1, 2, 3, 4]) == "0, 4 bytes")
    #expect(
      reply(.iomapIOEnd, [5, 0, 0, 0, 0, 0, 0, 0]) == "size 5")
    // Of a length that is not the protocol's.
    #expect(reply(.lookup, [1, 2, 3]) == "3 bytes")
    #expect(reply(.ioctl, [1, 2, 3]) == "3 bytes")
  }

  @Test func mappings() {
    let mapping = Mapping(
      offset: FileOffset(0), length: 4096, address: DeviceOffset(8192), kind: .mapped, flags: [],
      device: DeviceCookie(rawValue: 1))
    let payload = IomapWire.BeginReply(.pureOverwrite(mapping)).withBytes { Array($0) }
    #expect(
      reply(.iomapBegin, payload)
        == "read mapped 4096 bytes at 0 to 8192 of device 1; write pureOverwrite 4096 bytes at 0")
  }

  @Test func notifications() {
    func text(_ notification: some NotificationArguments) -> String? {
      encoded(notification.messageSize) { notification.encodeWholeMessage(into: $0) }
        .withUnsafeBytes { Notification.text($0) }
    }
    #expect(
      text(Notification.InvalidateInode(nodeID: 5, offset: -1, length: 0))
        == "INVAL_INODE node 5, attributes")
    #expect(
      text(Notification.InvalidateInode(nodeID: 5, offset: 0, length: 0))
        == "INVAL_INODE node 5, all from 0 on")
    #expect(
      text(Notification.InvalidateInode(nodeID: 5, offset: 4096, length: 1))
        == "INVAL_INODE node 5, 1 byte at 4096")
    #expect(
      text(
        IomapWire.UpsertNotification(
          node: IomapNode(nodeID: 5, attributeInode: 5),
          read: .hole(at: FileOffset(0), length: 4096), write: .noCache))
        == "IOMAP_UPSERT_MAPPINGS node 5, read hole 4096 bytes at 0; write noCache 0 bytes at 0")
    // A reply is no notification, and too few bytes are nothing.
    #expect(
      encoded(16) { ReplyHeader(payloadSize: 0, unique: 4).encode(into: $0) }
        .withUnsafeBytes { Notification.text($0) } == nil)
    #expect([UInt8](repeating: 0, count: 15).withUnsafeBytes { Notification.text($0) } == nil)
  }
}
