import FuseProtocol
import IomapCache

/// A reply to READDIR or READDIRPLUS as it fills.
public struct DirectoryBuffer {
  private var writer: DirectoryWriter

  var count: Int { writer.count }

  public var isEmpty: Bool { writer.count == 0 }

  /// Whether entries are to have attributes, each one a reference for the kernel ("." and ".." excepted).
  public let givesAttributes: Bool
  private let revision: IomapRevision?

  init(
    memory: UnsafeMutableRawBufferPointer, isPlus: Bool, givesAttributes: Bool,
    revision: IomapRevision? = nil
  ) {
    writer = DirectoryWriter(memory, isPlus: isPlus)
    self.givesAttributes = givesAttributes
    self.revision = revision
  }

  /// Whether an entry with a name of `length` bytes still fits.
  public func hasRoom(forNameOf length: Int) -> Bool { writer.hasRoom(forNameOf: length) }

  /// Adds an entry, for which there must be room. `next` is the position to go on from behind it.
  public mutating func add(
    _ name: UnsafeRawBufferPointer, inode: UInt64, mode: UInt32, next: UInt64
  ) {
    writer.add(name, inode: inode, mode: mode, next: next)
  }

  /// Adds an entry with attributes, for which there must be room.
  public mutating func add(_ name: UnsafeRawBufferPointer, _ entry: Entry, next: UInt64) {
    writer.add(name, entry.encoded(for: revision), next: next)
  }
}
