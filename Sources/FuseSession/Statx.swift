import Glibc
import SystemPackage

/// FUSE_STATX, which the installed libfuse may not know: the only request that can tell a file's birth time.
///
/// Layouts: `struct fuse_statx_in`, `struct fuse_statx_out` in include/uapi/linux/fuse.h.
enum Statx {
  private static let replySize = 288
  /// Where `struct fuse_statx` begins in the reply.
  private static let statusOffset = 32

  private static let basicStatistics: UInt32 = 0x07FF
  private static let birthTime: UInt32 = 0x0800

  static func reply(with attributes: Attributes, to worker: Worker) {
    withUnsafeTemporaryAllocation(byteCount: replySize, alignment: 8) { bytes in
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      bytes.storeBytes(of: UInt64(attributes.validity), toByteOffset: 0, as: UInt64.self)
      let status = UnsafeMutableRawBufferPointer(rebasing: bytes[statusOffset...])
      fill(status, with: attributes)
      worker.reply(UnsafeRawBufferPointer(bytes))
    }
  }

  private static func fill(_ status: UnsafeMutableRawBufferPointer, with a: Attributes) {
    func store<T>(_ value: T, at offset: Int) {
      status.storeBytes(of: value, toByteOffset: offset, as: T.self)
    }
    func store(_ time: timespec, at offset: Int) {
      store(Int64(time.tv_sec), at: offset)
      store(UInt32(time.tv_nsec), at: offset + 8)
    }
    store(a.birthTime == nil ? basicStatistics : basicStatistics | birthTime, at: 0)
    store(a.blockSize, at: 4)
    store(a.linkCount, at: 16)
    store(a.userID, at: 20)
    store(a.groupID, at: 24)
    store(UInt16(truncatingIfNeeded: a.mode), at: 28)
    store(a.inode, at: 32)
    store(a.size, at: 40)
    store(a.sectorCount, at: 48)
    store(a.accessTime, at: 64)
    if let birthTime = a.birthTime { store(birthTime, at: 80) }
    store(a.changeTime, at: 96)
    store(a.modificationTime, at: 112)
    store((a.device >> 8) & 0xFFF, at: 128)
    store((a.device & 0xFF) | ((a.device >> 12) & 0xFFF00), at: 132)
  }
}
