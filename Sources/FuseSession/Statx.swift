import FuseProtocol
import Glibc
import SystemPackage

/// FUSE_STATX, which the installed libfuse may not know: the only request that can tell a file's birth time.
enum Statx {
  private static let basicStatistics: UInt32 = 0x07FF
  private static let birthTime: UInt32 = 0x0800

  static func reply(with attributes: Attributes, to worker: Worker) {
    worker.reply(with: Reply.Statx(timeout: attributes.timeout, status: status(of: attributes)))
  }

  private static func status(of a: Attributes) -> FileStatus {
    FileStatus(
      mask: a.birthTime == nil ? basicStatistics : basicStatistics | birthTime,
      blockSize: a.blockSize, linkCount: a.linkCount, userID: a.userID, groupID: a.groupID,
      mode: UInt16(truncatingIfNeeded: a.mode), inode: a.inode, byteCount: a.size,
      sectorCount: a.sectorCount, accessTime: Timestamp(a.accessTime),
      birthTime: a.birthTime.map { Timestamp($0) } ?? Timestamp(seconds: 0, nanoseconds: 0),
      changeTime: Timestamp(a.changeTime), modificationTime: Timestamp(a.modificationTime),
      device: FileStatus.DeviceNumber(encoded: a.device))
  }
}
