import CFuse3
import Glibc
import IomapCache

/// A reply to READDIR or READDIRPLUS as it fills.
public struct DirectoryBuffer {
  private let request: fuse_req_t
  private let memory: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  public var isEmpty: Bool { count == 0 }

  /// The layout of READDIRPLUS, in which entries can have attributes.
  private let isPlus: Bool
  /// Whether entries are to have attributes, each one a reference for the kernel ("." and ".." excepted).
  public let givesAttributes: Bool
  private let revision: IomapRevision?

  init(
    request: fuse_req_t, memory: UnsafeMutableRawBufferPointer, isPlus: Bool,
    givesAttributes: Bool, revision: IomapRevision? = nil
  ) {
    self.revision = revision
    self.request = request
    self.memory = memory
    self.isPlus = isPlus
    self.givesAttributes = givesAttributes
  }

  /// Whether an entry with a name of `length` bytes still fits (fuse_direntplus, fuse_dirent in fuse_kernel.h).
  public func hasRoom(forNameOf length: Int) -> Bool {
    let header = isPlus ? 152 : 24
    return count + (header + length + 7) & ~7 <= memory.count
  }

  /// Adds an entry, for which there must be room. `next` is the position to go on from behind it.
  public mutating func add(
    _ name: UnsafeRawBufferPointer, inode: UInt64, mode: UInt32, next: UInt64
  ) {
    count += withCString(name) { name in
      if isPlus {
        var entry = fuse_entry_param()  // node 0: nothing but the name and number
        entry.attr.st_ino = UInt(inode)
        entry.attr.st_mode = mode
        return addPlus(name, &entry, next)
      } else {
        var stat = stat()
        stat.st_ino = UInt(inode)
        stat.st_mode = mode
        return fuse_add_direntry(
          request, free, memory.count - count, name, &stat, off_t(bitPattern64: next))
      }
    }
  }

  /// Adds an entry with attributes, for which there must be room.
  public mutating func add(_ name: UnsafeRawBufferPointer, _ entry: Entry, next: UInt64) {
    let start = count
    count += withCString(name) { name in
      var parameters = entry.parameters
      return addPlus(name, &parameters, next)
    }
    memory.storeBytes(
      of: entry.attributes.encodedFlags(revision), toByteOffset: start + Entry.flagsOffset,
      as: UInt32.self)
  }

  private func addPlus(
    _ name: UnsafePointer<CChar>, _ entry: inout fuse_entry_param, _ next: UInt64
  ) -> Int {
    fuse_add_direntry_plus(
      request, free, memory.count - count, name, &entry, off_t(bitPattern64: next))
  }

  private var free: UnsafeMutablePointer<CChar> {
    (memory.baseAddress! + count).assumingMemoryBound(to: CChar.self)
  }

  private func withCString(
    _ name: UnsafeRawBufferPointer, _ body: (UnsafePointer<CChar>) -> Int
  ) -> Int {
    withUnsafeTemporaryAllocation(byteCount: name.count + 1, alignment: 1) { copy in
      copy.copyMemory(from: name)
      copy[name.count] = 0
      return body(copy.baseAddress!.assumingMemoryBound(to: CChar.self))
    }
  }
}

extension off_t {
  init(bitPattern64 value: UInt64) { self = off_t(truncatingIfNeeded: value) }
}
