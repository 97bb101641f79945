/// The reply to READDIR or READDIRPLUS as it fills: `struct fuse_dirent` or `struct fuse_direntplus`, each with the name behind it and padded to 8
/// bytes.
public struct DirectoryWriter {
  private let memory: UnsafeMutableRawBufferPointer
  /// The layout of READDIRPLUS.
  public let isPlus: Bool
  private let entrySize: Int
  private let minor: UInt32
  /// Bytes written.
  public private(set) var count = 0

  /// Fills `memory`, whose size is the most that the reply may have.
  public init(
    _ memory: UnsafeMutableRawBufferPointer, isPlus: Bool,
    at minor: UInt32 = NegotiatedProtocol.latestMinor
  ) {
    self.memory = memory
    self.isPlus = isPlus
    self.minor = minor
    entrySize = isPlus ? Reply.Entry.size(at: minor) : 0
  }

  /// `offsetof(struct fuse_dirent, name)`.
  static var headerSize: Int { 24 }

  /// Whether an entry with a name of `length` bytes still fits.
  public func hasRoom(forNameOf length: Int) -> Bool {
    count + (entrySize + Self.headerSize + length + 7) & ~7 <= memory.count
  }

  /// Adds an entry, for which there must be room. `inode` and `mode`, of which the type counts, are what getdents(2) tells; `next` is the position
  /// to go on from behind the entry. With READDIRPLUS it brings no node.
  public mutating func add(
    _ name: UnsafeRawBufferPointer, inode: UInt64, mode: UInt32, next: UInt64
  ) {
    precondition(hasRoom(forNameOf: name.count), "the caller gave no room for the entry")
    if isPlus { memory.from(count).clear(entrySize) }
    addName(name, inode, mode, next)
  }

  /// Adds an entry of READDIRPLUS with its node, for which there must be room. The kernel refers to the node once more from the reply on.
  public mutating func add(_ name: UnsafeRawBufferPointer, _ entry: Reply.Entry, next: UInt64) {
    precondition(hasRoom(forNameOf: name.count), "the caller gave no room for the entry")
    if isPlus { entry.encode(into: memory.from(count), at: minor) }
    addName(name, entry.attributes.inode, entry.attributes.mode, next)
  }

  private mutating func addName(
    _ name: UnsafeRawBufferPointer, _ inode: UInt64, _ mode: UInt32, _ next: UInt64
  ) {
    let header = memory.from(count + entrySize)
    header.put(inode, at: 0)
    header.put(next, at: 8)
    header.put(UInt32(name.count), at: 16)
    header.put((mode & 0o170000) >> 12, at: 20)
    let end = Self.headerSize + name.count
    let padding = -end & 7
    UnsafeMutableRawBufferPointer(rebasing: header[Self.headerSize..<end]).copyMemory(from: name)
    header.from(end).clear(padding)
    count += entrySize + end + padding
  }
}
