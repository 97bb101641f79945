import FuseProtocol
import Glibc
import IomapCache

// Attributes and entries as they go to the kernel.

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

extension Reply.Entry {
  /// An entry without a node, which the kernel may remember as missing.
  static var missing: Reply.Entry {
    Reply.Entry(
      nodeID: 0, generation: 0, nameTimeout: CacheTimeout(seconds: UInt64(Validity.unlimited)),
      attributeTimeout: CacheTimeout(seconds: 0), attributes: .none)
  }
}

extension FileAttributes {
  /// All zeros.
  fileprivate static var none: FileAttributes {
    let never = Timestamp(seconds: 0, nanoseconds: 0)
    return FileAttributes(
      inode: 0, size: 0, sectorCount: 0, accessTime: never, modificationTime: never,
      changeTime: never, mode: 0, linkCount: 0, userID: 0, groupID: 0, device: 0, blockSize: 0,
      flags: [])
  }
}

extension RequestHeader {
  @inline(__always)
  var node: NodeID { NodeID(nodeID) }

  /// The thread of the caller.
  @inline(__always)
  var thread: Int32 { Int32(bitPattern: processID) }
}
