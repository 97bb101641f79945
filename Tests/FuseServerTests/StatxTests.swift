import CLinux
import Glibc
import SystemPackage
import Testing

@testable import FuseServer

/// The reply to FUSE_STATX, against `struct fuse_statx_out` of include/uapi/linux/fuse.h (7.39), whose
/// fields are written down here one after the other.
@Suite struct StatxTests {
  private let opcode: UInt32 = 52
  /// struct fuse_statx_in.
  private let request = [UInt8](repeating: 0, count: 24)

  private struct Fields {
    var bytes: [UInt8] = []

    mutating func append<T: FixedWidthInteger & BitwiseCopyable>(_ values: T...) {
      for value in values { bytes += FuseServerTests.bytes(of: value) }
    }

    /// struct fuse_sx_time.
    mutating func append(_ time: timespec) {
      append(Int64(time.tv_sec))
      append(UInt32(time.tv_nsec), 0)
    }
  }

  private func expected(
    _ a: Attributes, mask: UInt32, birth: timespec, major: UInt32, minor: UInt32
  ) -> [UInt8] {
    var fields = Fields()
    fields.append(UInt64(1_000_000_000))  // attr_valid
    fields.append(UInt32(0), 0)  // attr_valid_nsec, flags
    fields.append(UInt64(0), 0)  // spare
    fields.append(mask, a.blockSize)  // stx_mask, stx_blksize
    fields.append(UInt64(0))  // stx_attributes
    fields.append(a.linkCount, a.userID, a.groupID)
    fields.append(UInt16(a.mode), 0)  // stx_mode, padding
    fields.append(a.inode, a.size, a.sectorCount)
    fields.append(UInt64(0))  // stx_attributes_mask
    fields.append(a.accessTime)
    fields.append(birth)
    fields.append(a.changeTime)
    fields.append(a.modificationTime)
    fields.append(major, minor)
    fields.append(UInt32(0), 0)  // stx_dev_major, stx_dev_minor
    for _ in 0..<14 { fields.append(UInt64(0)) }
    return fields.bytes
  }

  @Test func aFileWithABirthTime() throws {
    let kernel = try SocketKernel()
    try kernel.initialize()
    let birth = timespec(tv_sec: 0x0A0B_0C0D_0E, tv_nsec: 987_654_321)
    let attributes = Attributes.sample(birthTime: birth)
    kernel.files.script.withLock { $0.attributes = .success(attributes) }
    let reply = try kernel.ask(opcode, node: 5, request)
    #expect(reply.error == 0)
    #expect(reply.payload.count == 288)
    #expect(
      reply.payload
        == expected(
          attributes, mask: UInt32(STATX_BASIC_STATS) | UInt32(STATX_BTIME), birth: birth,
          major: 0, minor: 0))
  }

  @Test func aDeviceWithoutABirthTime() throws {
    let kernel = try SocketKernel()
    try kernel.initialize()
    var attributes = Attributes.sample(mode: 0o020_600)
    // new_encode_dev(MKDEV(0x9AB, 0x12345))
    attributes.device = 0x45 | 0x9AB << 8 | 0x123 << 20
    kernel.files.script.withLock { [attributes] in $0.attributes = .success(attributes) }
    let reply = try kernel.ask(opcode, node: 5, request)
    #expect(
      reply.payload
        == expected(
          attributes, mask: UInt32(STATX_BASIC_STATS), birth: timespec(), major: 0x9AB,
          minor: 0x12345))
  }

  @Test func anError() throws {
    let kernel = try SocketKernel()
    try kernel.initialize()
    kernel.files.script.withLock { $0.attributes = .failure(.staleNFSFileHandle) }
    let reply = try kernel.ask(opcode, node: 5, request)
    #expect(reply.error == -ESTALE)
    #expect(reply.payload.isEmpty)
  }
}
