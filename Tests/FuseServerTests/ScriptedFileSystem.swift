import FuseServer
import Glibc
import Synchronization
import SystemPackage
import TestSupport

/// A file system that answers what a test tells it to, and notes what it is asked.
final class ScriptedFileSystem: FileSystemOperations {
  struct Write: Sendable {
    let node: NodeID
    let bytes: [UInt8]
    let offset: UInt64
    let flags: WriteFlags
    let userID: UInt32
    let groupID: UInt32
  }

  struct Forgotten: Hashable {
    let node: NodeID
    let count: UInt64
  }

  struct TemporaryFile {
    let parent: NodeID
    let mode: UInt32
    let userID: UInt32
    let groupID: UInt32
    let umask: UInt16
    let thread: Int32

    init(parent: NodeID, mode: UInt32, caller: Caller) {
      self.parent = parent
      self.mode = mode
      userID = caller.userID
      groupID = caller.groupID
      umask = caller.umask
      thread = caller.thread
    }
  }

  struct Script {
    /// By name, in every directory; under no name what has none.
    var entries: [String: Entry] = [:]
    /// What a directory holds, in this order; an entry's position is its index.
    var listing: [String] = []
    var attributes: Result<Attributes, Errno> = .failure(.noSuchFileOrDirectory)
    var extendedAttributes: [String: [UInt8]] = [:]
    /// Where SEEK_DATA and SEEK_HOLE get to. Runs on the session's thread.
    var seek: @Sendable (UInt64, CInt) throws(Errno) -> UInt64 = { (_, _) throws(Errno) in
      throw .noSuchAddressOrDevice
    }

    var stalePages = StalePages.none
    var droppedPages: [NodeID] = []
    var directReads = 0
    var forgotten: [Forgotten] = []
    var questionsBeforeWrites = 0
    var changes: [AttributeRequest] = []
    var writes: [Write] = []
    var temporaryFiles: [TemporaryFile] = []
  }

  let script = Mutex(Script())

  private func read<T>(_ body: (inout Script) -> T) -> T { script.withLock { body(&$0) } }

  private static func string(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  // MARK: What tests use

  func lookup(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) -> Entry {
    guard let entry = read({ $0.entries[Self.string(name)] }) else {
      throw .noSuchFileOrDirectory
    }
    return entry
  }

  func forget(_ node: NodeID, count: UInt64) {
    read { $0.forgotten.append(Forgotten(node: node, count: count)) }
  }

  func attributes(of node: NodeID, beforeWrite: Bool) throws(Errno) -> Attributes {
    read { $0.questionsBeforeWrites += beforeWrite ? 1 : 0 }
    return try read { $0.attributes }.get()
  }

  func setAttributes(
    of node: NodeID, to request: AttributeRequest, for caller: Caller
  ) throws(Errno) -> Attributes {
    read { $0.changes.append(request) }
    return try attributes(of: node, beforeWrite: false)
  }

  func write(
    _ node: NodeID, _ bytes: UnsafeRawBufferPointer, at offset: UInt64, flags: WriteFlags,
    for caller: Caller
  ) throws(Errno) -> Int {
    let write = Write(
      node: node, bytes: Array(bytes), offset: offset, flags: flags, userID: caller.userID,
      groupID: caller.groupID)
    read { $0.writes.append(write) }
    return bytes.count
  }

  func seek(_ node: NodeID, from offset: UInt64, whence: CInt) throws(Errno) -> UInt64 {
    try read { $0.seek }(offset, whence)
  }

  func deviceBlock(of node: NodeID, at index: UInt64, size: UInt32) throws(Errno) -> UInt64 {
    guard index > 0 else { throw .invalidArgument }
    return index * UInt64(size)
  }

  func makeTemporaryFile(
    in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry {
    read { $0.temporaryFiles.append(TemporaryFile(parent: parent, mode: mode, caller: caller)) }
    guard let entry = read({ $0.entries[""] }) else { throw .notSupported }
    return entry
  }

  func readDirectory(_ node: NodeID, from offset: UInt64, into buffer: inout DirectoryBuffer)
    throws(Errno)
  {
    let (listing, entries) = read { ($0.listing, $0.entries) }
    for (index, name) in listing.enumerated().dropFirst(Int(offset)) {
      let bytes = Array(name.utf8)
      guard let entry = entries[name], buffer.hasRoom(forNameOf: bytes.count) else { return }
      bytes.withUnsafeBytes { bytes in
        if buffer.givesAttributes {
          buffer.add(bytes, entry, next: UInt64(index) + 1)
        } else {
          buffer.add(
            bytes, inode: entry.attributes.inode, mode: entry.attributes.mode,
            next: UInt64(index) + 1)
        }
      }
    }
  }

  func extendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno) -> [UInt8] {
    guard let value = read({ $0.extendedAttributes[String(cString: name)] }) else {
      throw Errno(rawValue: ENODATA)
    }
    return value
  }

  // MARK: What they do not

  func statistics() throws(Errno) -> FileSystemStatistics { throw .noFunction }

  func makeNode(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, device: UInt32,
    for caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  func makeDirectory(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  func makeSymbolicLink(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to target: UnsafeRawBufferPointer,
    for caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  func readLink(_ node: NodeID) throws(Errno) -> [UInt8] { throw .noFunction }

  func link(
    _ node: NodeID, as name: UnsafeRawBufferPointer, in parent: NodeID
  ) throws(Errno) -> Entry { throw .noFunction }

  func unlink(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) {
    throw .noFunction
  }

  func removeDirectory(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) {
    throw .noFunction
  }

  func rename(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to newName: UnsafeRawBufferPointer,
    in newParent: NodeID, flags: UInt32, for caller: Caller
  ) throws(Errno) { throw .noFunction }

  func read(
    _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, flags: ReadFlags
  ) throws(Errno) -> Int {
    read { $0.directReads += flags.contains(.direct) ? 1 : 0 }
    return buffer.count
  }

  func stalePages(of node: NodeID) -> StalePages { read { $0.stalePages } }

  func pagesWereDropped(of node: NodeID) { read { $0.droppedPages.append(node) } }

  func synchronize() throws(Errno) { throw .noFunction }

  func finishSynchronization(of node: NodeID?) throws(Errno) { throw .noFunction }

  func open(_ node: NodeID) throws(Errno) {}

  func flush(_ node: NodeID) throws(Errno) {}

  func release(_ node: NodeID) {}

  func destroy() {}

  func allocate(
    _ node: NodeID, at offset: UInt64, length: UInt64, mode: CInt, for caller: Caller
  ) throws(Errno) { throw .noFunction }

  func copyRange(
    from source: NodeID, at sourceOffset: UInt64, to target: NodeID, at targetOffset: UInt64,
    length: Int, for caller: Caller
  ) throws(Errno) -> Int { throw .noFunction }

  func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, of node: NodeID, to value: UnsafeRawBufferPointer, flags: CInt,
    for caller: Caller
  ) throws(Errno) { throw .noFunction }

  func extendedAttributeNames(of node: NodeID, for caller: Caller) throws(Errno) -> [UInt8] {
    throw .noFunction
  }

  func removeExtendedAttribute(
    _ name: UnsafePointer<CChar>, of node: NodeID
  ) throws(Errno) { throw .noFunction }

  func control(_ node: NodeID, _ request: ControlRequest) throws(Errno) -> [UInt8] {
    throw .noFunction
  }
}

extension Attributes {
  /// A value of its own in every field.
  static func sample(
    inode: UInt64 = 0x0102_0304_0506_0708, mode: UInt32 = 0o100_640, birthTime: timespec? = nil
  ) -> Attributes {
    Attributes(
      inode: inode, mode: mode, linkCount: 0x1112_1314, userID: 0x2122_2324,
      groupID: 0x3132_3334, size: 0x4142_4344_4546_4748, sectorCount: 0x5152_5354_5556_5758,
      device: 0, blockSize: 4096, accessTime: timespec(tv_sec: -1, tv_nsec: 999_999_999),
      modificationTime: timespec(tv_sec: 0x6162_6364_65, tv_nsec: 123_456_789),
      changeTime: timespec(tv_sec: 0x7172_7374, tv_nsec: 1), birthTime: birthTime)
  }
}
