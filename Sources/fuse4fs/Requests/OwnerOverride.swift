import Ext4
import FuseServer
import Glibc
import IomapCache
import SystemPackage

/// How inodes are shown: as they are, or all as one owner's (`uid=`, `gid=`).
struct OwnerOverride: Sendable {
  var userID: UInt32?
  var groupID: UInt32?
  /// Set where the kernel may move data, and is told what to do about each inode.
  var iomap: IomapServer?

  func attributes(_ status: FileStatus) -> Attributes {
    var attributes = Attributes(
      inode: UInt64(status.inode.rawValue), mode: UInt32(status.mode),
      linkCount: status.linkCount, userID: userID ?? status.userID,
      groupID: groupID ?? status.groupID, size: status.size, sectorCount: status.sectorCount,
      device: status.device, blockSize: status.blockSize,
      accessTime: timespec(status.accessTime),
      modificationTime: timespec(status.modificationTime),
      changeTime: timespec(status.changeTime), birthTime: status.birthTime.map(timespec.init))
    if let iomap { attributes.flags = Self.flags(status, iomap) }
    return attributes
  }

  /// Everything but data that the daemon serves is the kernel's (fuse-iomap ABI 4.10).
  private static func flags(_ status: FileStatus, _ iomap: IomapServer) -> InodeAttributeFlags {
    var flags: InodeAttributeFlags = .exclusive
    let isRegular = status.mode & 0o170000 == 0o100000
    if !isRegular || status.isServedByIomap { flags.insert(.iomap) }
    if status.isServedByIomap, status.flags.contains(.extents), iomap.hasAtomicWrites {
      flags.insert(.atomic)
    }
    if status.flags.contains(.synchronous) { flags.insert(.synchronous) }
    if status.flags.contains(.immutable) { flags.insert(.immutable) }
    if status.flags.contains(.appendOnly) { flags.insert(.appendOnly) }
    return flags
  }

  func entry(_ status: FileStatus) -> Entry {
    Entry(
      node: status.inode.nodeID,
      // The kernel demands it of its root (fs/fuse/dir.c, `fuse_lookup_name`).
      generation: status.inode == .root ? 0 : UInt64(status.knownGeneration),
      attributes: attributes(status))
  }

  /// What is shown as one owner's cannot be given to another.
  func permits(_ request: AttributeRequest) -> Bool {
    (request.userID == nil || userID == nil || request.userID == userID)
      && (request.groupID == nil || groupID == nil || request.groupID == groupID)
  }

  /// Leaves out the ids that are shown anyway: such a change leaves the owner on disk alone.
  func stripped(_ request: AttributeRequest) -> AttributeRequest {
    var request = request
    if userID != nil { request.userID = nil }
    if groupID != nil { request.groupID = nil }
    return request
  }
}

extension InodeNumber {
  /// FUSE's root is node 1, ext4's inode 2.
  init(node: NodeID) {
    self = node == .root ? .root : InodeNumber(UInt32(truncatingIfNeeded: node.rawValue))
  }

  var nodeID: NodeID { self == .root ? .root : NodeID(UInt64(rawValue)) }
}

extension timespec {
  init(_ time: Timestamp) {
    self.init(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
  }
}

extension Timestamp {
  init(_ time: timespec) {
    self.init(
      seconds: Int64(time.tv_sec), nanoseconds: UInt32(clamping: min(time.tv_nsec, 999_999_999)))
  }

  init(_ time: AttributeRequest.Time) {
    switch time {
    case .now: self = .now
    case .at(let time): self = Timestamp(time)
    }
  }
}

extension AttributeChange {
  init(_ request: AttributeRequest) {
    self.init()
    mode = request.mode.map { UInt16(truncatingIfNeeded: $0 & 0o7777) }
    userID = request.userID
    groupID = request.groupID
    size = request.size
    accessTime = request.accessTime.map { Timestamp($0) }
    modificationTime = request.modificationTime.map { Timestamp($0) }
    changeTime = request.changeTime.map { Timestamp($0) }
    if case .now = request.accessTime { accessIsNow = true }
    clearSetID = request.clearsSetID
  }
}
