import CLinux
import FuseProtocol
import Glibc
import Testing

@testable import FuseServer

/// What this code decodes by itself, against the structures of <linux/fuse.h> as the C compiler lays
/// them out.
@Suite struct LayoutTests {
  @Test func requestHeader() throws {
    #expect(RequestHeader.size == MemoryLayout<fuse_in_header>.size)
    var header = fuse_in_header()
    header.len = 0x0102_0304
    header.opcode = FUSE_LSEEK.rawValue
    header.unique = 0x1112_1314_1516_1718
    header.nodeid = 0x2122_2324_2526_2728
    header.uid = 0x3132_3334
    header.gid = 0x4142_4344
    header.pid = 0x5152_5354
    let decoded = try #require(bytes(of: header).withUnsafeBytes { RequestHeader($0) })
    #expect(decoded.length == header.len)
    #expect(decoded.opcode == .lseek)
    #expect(decoded.unique == header.unique)
    #expect(decoded.node == NodeID(header.nodeid))
  }

  @Test func opcodes() {
    #expect(Opcode.setattr.rawValue == FUSE_SETATTR.rawValue)
    #expect(Opcode.write.rawValue == FUSE_WRITE.rawValue)
    #expect(Opcode.initialize.rawValue == FUSE_INIT.rawValue)
    #expect(Opcode.lseek.rawValue == FUSE_LSEEK.rawValue)
    // Older headers do not have it.
    #expect(Opcode.statx.rawValue == 52)
    #expect(Opcode.interrupt.rawValue == FUSE_INTERRUPT.rawValue)
    #expect(Opcode.copyFileRange.rawValue == FUSE_COPY_FILE_RANGE.rawValue)
    // fuse-iomap ABI 3.1.
    #expect(Opcode.freeze.rawValue == 4089)
    #expect(Opcode.iomapConfig.rawValue == 4092)
    #expect(Opcode.iomapEnd.rawValue == 4095)
  }

  @Test func anUnknownOpcodeIsNone() {
    var header = fuse_in_header()
    header.opcode = 4088
    #expect(bytes(of: header).withUnsafeBytes { RequestHeader($0)?.opcode } == .some(nil))
  }

  @Test func replyHeader() {
    #expect(ReplyHeader.size == MemoryLayout<fuse_out_header>.size)
    let reply = ReplyHeader(payloadSize: 0x0102_0304, error: -5, unique: 0x1112_1314_1516_1718)
    var written = [UInt8](repeating: 0, count: ReplyHeader.size)
    written.withUnsafeMutableBytes { reply.encode(into: $0) }
    let header = load(fuse_out_header.self, written)
    #expect(header.len == 0x0102_0304 + 16)
    #expect(header.error == -5)
    #expect(header.unique == 0x1112_1314_1516_1718)
  }

  @Test func writeFlags() {
    #expect(WriteFlags.fromCache.rawValue == UInt32(FUSE_WRITE_CACHE))
    #expect(WriteFlags.clearsSetID.rawValue == UInt32(FUSE_WRITE_KILL_SUIDGID))
  }
}
