import Glibc
import IomapCache

/// A reply to READDIR or READDIRPLUS as it fills: `struct fuse_dirent` or `struct fuse_direntplus` (include/uapi/linux/fuse.h), each with the
/// name behind it and padded to 8 bytes.
public struct DirectoryBuffer {
  private let memory: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  public var isEmpty: Bool { count == 0 }

  /// The layout of READDIRPLUS, in which entries can have attributes.
  private let isPlus: Bool
  /// Whether entries are to have attributes, each one a reference for the kernel ("." and ".." excepted).
  public let givesAttributes: Bool
  private let revision: IomapRevision?

  init(
    memory: UnsafeMutableRawBufferPointer, isPlus: Bool, givesAttributes: Bool,
    revision: IomapRevision? = nil
  ) {
    self.memory = memory
    self.isPlus = isPlus
    self.givesAttributes = givesAttributes
    self.revision = revision
  }

  /// `offsetof(struct fuse_dirent, name)`.
  private static let headerSize = 24

  private var attributesSize: Int { isPlus ? Entry.replySize : 0 }

  /// Whether an entry with a name of `length` bytes still fits.
  public func hasRoom(forNameOf length: Int) -> Bool {
    count + (attributesSize + Self.headerSize + length + 7) & ~7 <= memory.count
  }

  /// Adds an entry, for which there must be room. `next` is the position to go on from behind it.
  public mutating func add(
    _ name: UnsafeRawBufferPointer, inode: UInt64, mode: UInt32, next: UInt64
  ) {
    // Node 0: nothing but the name and number.
    if isPlus { memset(memory.baseAddress! + count, 0, attributesSize) }
    addName(name, inode, mode, next)
  }

  /// Adds an entry with attributes, for which there must be room.
  public mutating func add(_ name: UnsafeRawBufferPointer, _ entry: Entry, next: UInt64) {
    entry.encodeReply(
      into: UnsafeMutableRawBufferPointer(rebasing: memory[count...].prefix(attributesSize)),
      revision: revision)
    addName(name, entry.attributes.inode, entry.attributes.mode, next)
  }

  private mutating func addName(
    _ name: UnsafeRawBufferPointer, _ inode: UInt64, _ mode: UInt32, _ next: UInt64
  ) {
    let header = memory.baseAddress! + count + attributesSize
    header.storeBytes(of: inode, as: UInt64.self)
    header.storeBytes(of: next, toByteOffset: 8, as: UInt64.self)
    header.storeBytes(of: UInt32(name.count), toByteOffset: 16, as: UInt32.self)
    header.storeBytes(of: (mode & 0o170000) >> 12, toByteOffset: 20, as: UInt32.self)
    let end = Self.headerSize + name.count
    let padding = -end & 7
    if let start = name.baseAddress {
      memcpy(header + Self.headerSize, start, name.count)
    }
    memset(header + end, 0, padding)
    count += attributesSize + end + padding
  }
}
