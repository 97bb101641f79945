import FuseProtocol
import Testing

extension Golden {
  private static let readDump = """
    fh: 01 02 03 04 05 06 07 08
    offset: 00 20 00 00 01 00 00 00
    size: 00 10 00 00
    read_flags: 02 00 00 00
    lock_owner: 11 12 13 14 15 16 17 18
    flags: 00 80 00 00
    padding: 00 00 00 00
    """

  @Sendable private static func checkRead(_ read: Request.Read) {
    #expect(read.handle == 0x0807_0605_0403_0201 && read.offset == 0x1_0000_2000)
    #expect(read.size == 4096 && read.readFlags == .lockOwner)
    #expect(read.lockOwner == 0x1817_1615_1413_1211 && read.flags == 0x8000)
  }

  /// Requests that read, write and place data.
  static let data: [Golden] = [
    Golden(.read, readDump) {
      guard case .read(let read) = $0 else { throw Mismatch() }
      checkRead(read)
    },
    Golden(.readdir, readDump) {
      guard case .readdir(let read) = $0 else { throw Mismatch() }
      checkRead(read)
    },
    Golden(.readdirplus, readDump) {
      guard case .readdirplus(let read) = $0 else { throw Mismatch() }
      checkRead(read)
    },
    Golden(
      .read, minor: 8,
      """
      fh: 01 02 03 04 05 06 07 08
      offset: 00 20 00 00 00 00 00 00
      size: 00 10 00 00
      padding: ff ff ff ff
      """, longerForms: [40]
    ) {
      guard case .read(let read) = $0 else { throw Mismatch() }
      #expect(read.handle == 0x0807_0605_0403_0201 && read.offset == 0x2000)
      #expect(read.size == 4096 && read.readFlags == [] && read.lockOwner == nil)
      #expect(read.flags == 0)
    },
    Golden(
      .write,
      """
      fh: 01 02 03 04 05 06 07 08
      offset: ff ff ff ff ff ff ff 7f
      size: 05 00 00 00
      write_flags: 07 00 00 00
      lock_owner: 11 12 13 14 15 16 17 18
      flags: 01 80 00 00
      padding: 00 00 00 00
      data: 00 01 02 03 04
      """
    ) {
      guard case .write(let write) = $0 else { throw Mismatch() }
      #expect(write.handle == 0x0807_0605_0403_0201 && write.offset == UInt64(Int64.max))
      #expect(write.writeFlags == [.cache, .lockOwner, .killSetID])
      #expect(write.lockOwner == 0x1817_1615_1413_1211 && write.flags == 0x8001)
      #expect(Array(write.data) == [0, 1, 2, 3, 4])
    },
    Golden(
      .write, minor: 8,
      """
      fh: 01 02 03 04 05 06 07 08
      offset: 00 00 00 00 00 00 00 00
      size: 02 00 00 00
      write_flags: 01 00 00 00
      data: aa bb
      """
    ) {
      guard case .write(let write) = $0 else { throw Mismatch() }
      #expect(write.writeFlags == .cache && write.lockOwner == nil && write.flags == 0)
      #expect(Array(write.data) == [0xAA, 0xBB])
    },
    Golden(
      .fallocate,
      """
      fh: 01 02 03 04 05 06 07 08
      offset: 00 10 00 00 00 00 00 00
      length: 00 00 10 00 00 00 00 00
      mode: 03 00 00 00
      padding: 00 00 00 00
      """
    ) {
      guard case .fallocate(let allocate) = $0 else { throw Mismatch() }
      #expect(allocate.handle == 0x0807_0605_0403_0201 && allocate.offset == 4096)
      #expect(allocate.length == 1 << 20 && allocate.mode == 3)
    },
    Golden(
      .lseek,
      """
      fh: 01 02 03 04 05 06 07 08
      offset: 00 10 00 00 00 00 00 00
      whence: 04 00 00 00
      padding: 00 00 00 00
      """
    ) {
      guard case .lseek(let seek) = $0 else { throw Mismatch() }
      #expect(seek.handle == 0x0807_0605_0403_0201 && seek.offset == 4096 && seek.whence == 4)
    },
    Golden(.copyFileRange, copyDump) {
      guard case .copyFileRange(let copy) = $0 else { throw Mismatch() }
      checkCopy(copy)
    },
    Golden(.copyFileRange64, copyDump) {
      guard case .copyFileRange64(let copy) = $0 else { throw Mismatch() }
      checkCopy(copy)
    },
    Golden(
      .bmap,
      """
      block: 07 00 00 00 00 00 00 00
      blocksize: 00 04 00 00
      padding: 00 00 00 00
      """
    ) {
      guard case .bmap(let map) = $0 else { throw Mismatch() }
      #expect(map.block == 7 && map.blockSize == 1024)
    },
    Golden(
      .setupmapping,
      """
      fh: 01 02 03 04 05 06 07 08
      foffset: 00 00 20 00 00 00 00 00
      len: 00 00 10 00 00 00 00 00
      flags: 03 00 00 00 00 00 00 00
      moffset: 00 00 40 00 00 00 00 00
      """
    ) {
      guard case .setupmapping(let mapping) = $0 else { throw Mismatch() }
      #expect(mapping.handle == 0x0807_0605_0403_0201 && mapping.fileOffset == 2 << 20)
      #expect(mapping.length == 1 << 20 && mapping.flags == [.read, .write])
      #expect(mapping.memoryOffset == 4 << 20)
    },
    Golden(
      .removemapping,
      """
      count: 02 00 00 00
      moffset: 00 00 20 00 00 00 00 00
      len: 00 00 10 00 00 00 00 00
      moffset: 00 00 40 00 00 00 00 00
      len: 00 00 20 00 00 00 00 00
      """
    ) {
      guard case .removemapping(let mappings) = $0 else { throw Mismatch() }
      #expect(mappings.map(\.memoryOffset) == [0x20_0000, 0x40_0000])
      #expect(mappings.map(\.length) == [0x10_0000, 0x20_0000])
    },
    Golden(
      .notifyReply,
      """
      dummy1: ff ff ff ff ff ff ff ff
      offset: 00 20 00 00 00 00 00 00
      size: 03 00 00 00
      dummy2: ff ff ff ff
      dummy3: ff ff ff ff ff ff ff ff
      dummy4: ff ff ff ff ff ff ff ff
      data: 61 62 63
      """
    ) {
      guard case .notifyReply(let retrieved) = $0 else { throw Mismatch() }
      #expect(retrieved.offset == 0x2000 && text(retrieved.data) == "abc")
    },
  ]

  private static let copyDump = """
    fh_in: 01 02 03 04 05 06 07 08
    off_in: 00 10 00 00 00 00 00 00
    nodeid_out: 0c 00 00 00 00 00 00 00
    fh_out: 11 12 13 14 15 16 17 18
    off_out: 00 20 00 00 00 00 00 00
    len: 00 30 00 00 00 00 00 00
    flags: 05 00 00 00 00 00 00 00
    """

  @Sendable private static func checkCopy(_ copy: Request.CopyFileRange) {
    #expect(copy.handle == 0x0807_0605_0403_0201 && copy.offset == 0x1000)
    #expect(copy.targetNodeID == 12 && copy.targetHandle == 0x1817_1615_1413_1211)
    #expect(copy.targetOffset == 0x2000 && copy.length == 0x3000 && copy.flags == 5)
  }
}
