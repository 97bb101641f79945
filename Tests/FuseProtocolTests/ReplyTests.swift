import FuseProtocol
import Testing

/// Memory of `size` bytes as `encode` leaves it; it is full of 0xEE before, so that no byte can be forgotten.
func encoded(_ size: Int, _ encode: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
  var bytes = [UInt8](repeating: 0xEE, count: size)
  bytes.withUnsafeMutableBytes { encode($0) }
  return bytes
}

@Suite struct ReplyTests {
  private let attributes = FileAttributes(
    inode: 0x0807_0605_0403_0201, size: 0x1_0000_1000, sectorCount: 0x18,
    accessTime: Timestamp(seconds: 0x21, nanoseconds: 0x31),
    modificationTime: Timestamp(seconds: -2, nanoseconds: 0x32),
    changeTime: Timestamp(seconds: 0x23, nanoseconds: 999_999_999), mode: 0o100_644, linkCount: 2,
    userID: 1000, groupID: 100, device: 0x10_0305, blockSize: 4096, flags: [.submount, .dax])

  private let attributeDump = """
    ino: 01 02 03 04 05 06 07 08
    size: 00 10 00 00 01 00 00 00
    blocks: 18 00 00 00 00 00 00 00
    atime: 21 00 00 00 00 00 00 00
    mtime: fe ff ff ff ff ff ff ff
    ctime: 23 00 00 00 00 00 00 00
    atimensec: 31 00 00 00
    mtimensec: 32 00 00 00
    ctimensec: ff c9 9a 3b
    mode: a4 81 00 00
    nlink: 02 00 00 00
    uid: e8 03 00 00
    gid: 64 00 00 00
    rdev: 05 03 10 00

    """
  private let lateAttributeDump = """
    blksize: 00 10 00 00
    flags: 03 00 00 00

    """
  private let entryDump = """
    nodeid: 0c 00 00 00 00 00 00 00
    generation: 07 00 00 00 00 00 00 00
    entry_valid: 0a 00 00 00 00 00 00 00
    attr_valid: 0b 00 00 00 00 00 00 00
    entry_valid_nsec: 05 00 00 00
    attr_valid_nsec: 06 00 00 00

    """
  private var entry: Reply.Entry {
    Reply.Entry(
      nodeID: 12, generation: 7, nameTimeout: CacheTimeout(seconds: 10, nanoseconds: 5),
      attributeTimeout: CacheTimeout(seconds: 11, nanoseconds: 6), attributes: attributes)
  }

  /// `reply` is encoded as `dump`, to the byte and no further, and read back; what is shorter or longer is not.
  private func expect<R: ReplyArguments>(_ reply: R, _ dump: String, minor: UInt32 = 45) {
    let expected = fields(dump)
    #expect(R.size(at: minor) == expected.count)
    #expect(
      encoded(expected.count + 8) { reply.encode(into: $0, at: minor) }
        == expected + [UInt8](repeating: 0xEE, count: 8))
    var message = [UInt8](repeating: 0xEE, count: 16 + expected.count)
    let count = message.withUnsafeMutableBytes {
      reply.encodeMessage(replyingTo: 0x0102_0304_0506_0708, into: $0, at: minor)
    }
    #expect(count == message.count)
    #expect(
      message == [
        UInt8(truncatingIfNeeded: count), UInt8(count >> 8), 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2,
        1,
      ]
        + expected)
    #expect(expected.withUnsafeBytes { R($0, at: minor) } == reply)
    for length in 0..<expected.count {
      #expect(Array(expected[..<length]).withUnsafeBytes { R($0, at: minor) } == nil)
    }
    #expect((expected + [0]).withUnsafeBytes { R($0, at: minor) } == nil)
  }

  @Test func entries() {
    expect(entry, entryDump + attributeDump + lateAttributeDump)
    #expect(Reply.Entry.size(at: 9) == 128)
  }

  @Test func entriesBefore9() {
    var old = entry
    old.attributes.blockSize = 0
    old.attributes.flags = []
    expect(old, entryDump + attributeDump, minor: 8)
    #expect(Reply.Entry.size(at: 8) == 120)
  }

  @Test func attributesOfNodes() {
    let dump = """
      attr_valid: 0b 00 00 00 00 00 00 00
      attr_valid_nsec: 06 00 00 00
      dummy: 00 00 00 00

      """
    var reply = Reply.Attributes(
      timeout: CacheTimeout(seconds: 11, nanoseconds: 6), attributes: attributes)
    expect(reply, dump + attributeDump + lateAttributeDump)
    reply.attributes.blockSize = 0
    reply.attributes.flags = []
    expect(reply, dump + attributeDump, minor: 8)
    #expect(Reply.Attributes.size(at: 8) == 96)
  }

  @Test func openFiles() {
    let open = Reply.Open(
      handle: 0x0807_0605_0403_0201, flags: [.keepCache, .noFlush, .passthrough], backingID: -2)
    let dump = """
      fh: 01 02 03 04 05 06 07 08
      open_flags: a2 00 00 00
      backing_id: fe ff ff ff
      """
    expect(open, dump)
    expect(
      Reply.Create(entry: entry, open: open), entryDump + attributeDump + lateAttributeDump + dump)
  }

  @Test func counts() {
    expect(Reply.Write(count: 0x1000), "size: 00 10 00 00\npadding: 00 00 00 00")
    expect(
      Reply.CopyFileRange(count: 0x2_0000_1000), "bytes_copied: 00 10 00 00 02 00 00 00")
    expect(Reply.ExtendedAttributeSize(size: 300), "size: 2c 01 00 00\npadding: 00 00 00 00")
    expect(Reply.Block(block: 0x0807_0605_0403_0201), "block: 01 02 03 04 05 06 07 08")
    expect(Reply.Seek(offset: 0x0807_0605_0403_0201), "offset: 01 02 03 04 05 06 07 08")
    expect(Reply.Poll(events: 5), "revents: 05 00 00 00\npadding: 00 00 00 00")
  }

  @Test func statistics() {
    var reply = Reply.Statistics(
      blocks: 1000, freeBlocks: 500, availableBlocks: 400, files: 300, freeFiles: 200,
      blockSize: 4096, maximumNameLength: 255, fragmentSize: 1024)
    let dump = """
      blocks: e8 03 00 00 00 00 00 00
      bfree: f4 01 00 00 00 00 00 00
      bavail: 90 01 00 00 00 00 00 00
      files: 2c 01 00 00 00 00 00 00
      ffree: c8 00 00 00 00 00 00 00
      bsize: 00 10 00 00
      namelen: ff 00 00 00

      """
    expect(
      reply,
      dump + """
        frsize: 00 04 00 00
        padding: 00 00 00 00
        spare: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
        """)
    reply.fragmentSize = 0
    expect(reply, dump, minor: 3)
  }

  @Test func locks() {
    expect(
      Reply.Lock(lock: FileLock(start: 16, end: UInt64(Int64.max), type: 2, processID: 4242)),
      """
      start: 10 00 00 00 00 00 00 00
      end: ff ff ff ff ff ff ff 7f
      type: 02 00 00 00
      pid: 92 10 00 00
      """)
  }

  @Test func ioctls() {
    expect(
      Reply.Control(result: -1, flags: .retry, inputVectors: 1, outputVectors: 2),
      """
      result: ff ff ff ff
      flags: 04 00 00 00
      in_iovs: 01 00 00 00
      out_iovs: 02 00 00 00
      """)
    expect(
      Reply.IoctlVector(base: 0x7FFF_FFFF_F000, length: 16),
      "base: 00 f0 ff ff ff 7f 00 00\nlen: 10 00 00 00 00 00 00 00")
  }

  @Test func statx() {
    expect(
      Reply.Statx(
        timeout: CacheTimeout(seconds: 11, nanoseconds: 6),
        status: FileStatus(
          mask: 0xFFF, blockSize: 4096, attributes: 0x10, attributesMask: 0x30, linkCount: 2,
          userID: 1000, groupID: 100, mode: 0o020_660, inode: 12, byteCount: 0x1_0000_1000,
          sectorCount: 24, accessTime: Timestamp(seconds: 0x21, nanoseconds: 0x31),
          birthTime: Timestamp(seconds: 0x22, nanoseconds: 0x32),
          changeTime: Timestamp(seconds: -1, nanoseconds: 0x33),
          modificationTime: Timestamp(seconds: 0x24, nanoseconds: 0x34),
          device: .init(encoded: 0x1230_0000 | 0x9AB << 8 | 0x45),
          containingDevice: .init(major: 8, minor: 1))),
      """
      attr_valid: 0b 00 00 00 00 00 00 00
      attr_valid_nsec: 06 00 00 00
      flags: 00 00 00 00
      spare: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      mask: ff 0f 00 00
      blksize: 00 10 00 00
      attributes: 10 00 00 00 00 00 00 00
      nlink: 02 00 00 00
      uid: e8 03 00 00
      gid: 64 00 00 00
      mode: b0 21
      spare0: 00 00
      ino: 0c 00 00 00 00 00 00 00
      size: 00 10 00 00 01 00 00 00
      blocks: 18 00 00 00 00 00 00 00
      attributes_mask: 30 00 00 00 00 00 00 00
      atime: 21 00 00 00 00 00 00 00 31 00 00 00 00 00 00 00
      btime: 22 00 00 00 00 00 00 00 32 00 00 00 00 00 00 00
      ctime: ff ff ff ff ff ff ff ff 33 00 00 00 00 00 00 00
      mtime: 24 00 00 00 00 00 00 00 34 00 00 00 00 00 00 00
      rdev_major: ab 09 00 00
      rdev_minor: 45 23 01 00
      dev_major: 08 00 00 00
      dev_minor: 01 00 00 00
      spare2: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      spare2: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      spare2: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      spare2: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      """)
  }

  @Test func theHeaderOfAnError() {
    let bytes = encoded(16) {
      ReplyHeader(payloadSize: 0, error: -28, unique: 0x1A4).encode(into: $0)
    }
    #expect(
      bytes
        == fields(
          """
          len: 10 00 00 00
          error: e4 ff ff ff
          unique: a4 01 00 00 00 00 00 00
          """))
    let header = bytes.withUnsafeBytes { ReplyHeader($0) }
    #expect(header == ReplyHeader(payloadSize: 0, error: -28, unique: 0x1A4))
    for length in 0..<16 {
      #expect(Array(bytes[..<length]).withUnsafeBytes { ReplyHeader($0) } == nil)
    }
  }
}
