import FuseProtocol
import Glibc

extension FileStatus {
  private static let basicStatistics: UInt32 = 0x07FF
  private static let birthTime: UInt32 = 0x0800

  /// What FUSE_STATX tells of attributes.
  init(_ a: Attributes) {
    self.init(
      mask: a.birthTime == nil ? Self.basicStatistics : Self.basicStatistics | Self.birthTime,
      blockSize: a.blockSize, linkCount: a.linkCount, userID: a.userID, groupID: a.groupID,
      mode: UInt16(truncatingIfNeeded: a.mode), inode: a.inode, byteCount: a.size,
      sectorCount: a.sectorCount, accessTime: Timestamp(a.accessTime),
      birthTime: a.birthTime.map { Timestamp($0) } ?? Timestamp(seconds: 0, nanoseconds: 0),
      changeTime: Timestamp(a.changeTime), modificationTime: Timestamp(a.modificationTime),
      device: FileStatus.DeviceNumber(encoded: a.device))
  }
}
