import Glibc
import IomapCache

// Attributes and entries as they go to the kernel. libfuse's own functions know nothing of attribute flags.

extension Attributes {
  /// `struct fuse_attr` (include/uapi/linux/fuse.h).
  static let encodedSize = 88

  func encode(into bytes: UnsafeMutableRawBufferPointer, revision: IomapRevision?) {
    func store<T>(_ value: T, at offset: Int) {
      bytes.storeBytes(of: value, toByteOffset: offset, as: T.self)
    }
    store(inode, at: 0)
    store(size, at: 8)
    store(sectorCount, at: 16)
    store(Int64(accessTime.tv_sec), at: 24)
    store(Int64(modificationTime.tv_sec), at: 32)
    store(Int64(changeTime.tv_sec), at: 40)
    store(UInt32(accessTime.tv_nsec), at: 48)
    store(UInt32(modificationTime.tv_nsec), at: 52)
    store(UInt32(changeTime.tv_nsec), at: 56)
    store(mode, at: 60)
    store(linkCount, at: 64)
    store(userID, at: 68)
    store(groupID, at: 72)
    store(device, at: 76)
    store(blockSize, at: 80)
    store(encodedFlags(revision), at: 84)
  }

  /// FUSE_ATTR_*: none where the kernel does not move data.
  func encodedFlags(_ revision: IomapRevision?) -> UInt32 {
    revision.map { flags.encoded(for: $0) } ?? 0
  }

  /// `struct fuse_attr_out`.
  static let replySize = 16 + encodedSize

  func encodeReply(into bytes: UnsafeMutableRawBufferPointer, revision: IomapRevision?) {
    bytes.storeBytes(of: UInt64(validity), toByteOffset: 0, as: UInt64.self)
    bytes.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    encode(into: UnsafeMutableRawBufferPointer(rebasing: bytes[16...]), revision: revision)
  }
}

extension Entry {
  /// `struct fuse_entry_out`.
  static let replySize = 40 + Attributes.encodedSize

  func encodeReply(into bytes: UnsafeMutableRawBufferPointer, revision: IomapRevision?) {
    func store(_ value: UInt64, at offset: Int) {
      bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    }
    store(node.rawValue, at: 0)
    store(generation, at: 8)
    store(UInt64(Validity.unlimited), at: 16)
    store(UInt64(attributes.validity), at: 24)
    store(0, at: 32)
    attributes.encode(
      into: UnsafeMutableRawBufferPointer(rebasing: bytes[40...]), revision: revision)
  }
}
