import FuseProtocol
import Glibc
import IomapCache

// Attributes and entries as they go to the kernel. libfuse's own functions know nothing of attribute flags.

extension Timestamp {
  init(_ time: timespec) {
    self.init(
      seconds: Int64(time.tv_sec), nanoseconds: UInt32(truncatingIfNeeded: time.tv_nsec))
  }
}

extension Attributes {
  /// How long the kernel may rely on them.
  var timeout: CacheTimeout { CacheTimeout(seconds: UInt64(validity)) }

  /// As the kernel of `revision` takes them: without attribute flags where it does not move data.
  func encoded(for revision: IomapRevision?) -> FileAttributes {
    FileAttributes(
      inode: inode, size: size, sectorCount: sectorCount, accessTime: Timestamp(accessTime),
      modificationTime: Timestamp(modificationTime), changeTime: Timestamp(changeTime),
      mode: mode, linkCount: linkCount, userID: userID, groupID: groupID, device: device,
      blockSize: blockSize, flags: FileAttributeFlags(rawValue: encodedFlags(revision)))
  }

  /// FUSE_ATTR_*: none where the kernel does not move data.
  func encodedFlags(_ revision: IomapRevision?) -> UInt32 {
    revision.map { flags.encoded(for: $0) } ?? 0
  }
}

extension Entry {
  /// As the kernel of `revision` takes it.
  func encoded(for revision: IomapRevision?) -> Reply.Entry {
    Reply.Entry(
      nodeID: node.rawValue, generation: generation,
      nameTimeout: CacheTimeout(seconds: UInt64(Validity.unlimited)),
      attributeTimeout: attributes.timeout, attributes: attributes.encoded(for: revision))
  }
}
