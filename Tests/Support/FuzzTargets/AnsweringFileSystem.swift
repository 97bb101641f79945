import FuseServer
import Glibc
import IomapCache
import SystemPackage

/// A file system that has an answer to everything, and touches every byte that it is passed.
final class AnsweringFileSystem: FileSystemOperations, IomapOperations {
  private func touch(_ bytes: UnsafeRawBufferPointer) -> Int {
    Int(bytes.reduce(UInt8(0)) { $0 &+ $1 })
  }

  private func touch(_ name: UnsafePointer<CChar>) -> Int { strlen(name) }

  private func attributes(_ node: NodeID, mode: UInt32 = 0o100_644) -> Attributes {
    let time = timespec(tv_sec: 1, tv_nsec: 2)
    return Attributes(
      inode: node.rawValue, mode: mode, linkCount: 1, userID: 0, groupID: 0, size: 4096,
      sectorCount: 8, device: 0, blockSize: 4096, accessTime: time, modificationTime: time,
      changeTime: time, birthTime: nil)
  }

  private func entry(_ number: Int) -> Entry {
    let node = NodeID(UInt64(number) + 2)
    return Entry(node: node, generation: 1, attributes: attributes(node))
  }

  func lookup(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) -> Entry {
    entry(touch(name))
  }

  func forget(_ node: NodeID, count: UInt64) {}

  func attributes(of node: NodeID, beforeWrite: Bool) throws(Errno) -> Attributes {
    attributes(node)
  }

  func setAttributes(
    of node: NodeID, to request: AttributeRequest, for caller: Caller
  ) throws(Errno) -> Attributes { attributes(node, mode: request.mode ?? 0o100_600) }

  func statistics() throws(Errno) -> FileSystemStatistics {
    FileSystemStatistics(
      blockSize: 4096, blocks: 100, freeBlocks: 50, availableBlocks: 40, files: 20, freeFiles: 10,
      maximumNameLength: 255)
  }

  func makeNode(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, device: UInt32,
    for caller: Caller
  ) throws(Errno) -> Entry { entry(touch(name)) }

  func makeTemporaryFile(
    in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry { entry(1) }

  func makeDirectory(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry { entry(touch(name)) }

  func makeSymbolicLink(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to target: UnsafeRawBufferPointer,
    for caller: Caller
  ) throws(Errno) -> Entry { entry(touch(name) + touch(target)) }

  func readLink(_ node: NodeID) throws(Errno) -> [UInt8] { Array("target".utf8) }

  func link(
    _ node: NodeID, as name: UnsafeRawBufferPointer, in parent: NodeID
  ) throws(Errno) -> Entry { entry(touch(name)) }

  func unlink(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) { _ = touch(name) }

  func removeDirectory(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) {
    _ = touch(name)
  }

  func rename(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to newName: UnsafeRawBufferPointer,
    in newParent: NodeID, flags: UInt32, for caller: Caller
  ) throws(Errno) { _ = touch(name) + touch(newName) }

  func open(_ node: NodeID) throws(Errno) {}
  func flush(_ node: NodeID) throws(Errno) {}
  func release(_ node: NodeID) {}
  func synchronize() throws(Errno) {}
  func finishSynchronization(of node: NodeID?) throws(Errno) {}
  func destroy() {}

  func read(
    _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, flags: ReadFlags
  ) throws(Errno) -> Int {
    buffer.initializeMemory(as: UInt8.self, repeating: 7)
    return buffer.count
  }

  func write(
    _ node: NodeID, _ bytes: UnsafeRawBufferPointer, at offset: UInt64, flags: WriteFlags,
    for caller: Caller
  ) throws(Errno) -> Int {
    _ = touch(bytes)
    return bytes.count
  }

  func stalePages(of node: NodeID) -> StalePages { .none }

  func pagesWereDropped(of node: NodeID) {}

  func seek(_ node: NodeID, from offset: UInt64, whence: CInt) throws(Errno) -> UInt64 { offset }

  func deviceBlock(of node: NodeID, at index: UInt64, size: UInt32) throws(Errno) -> UInt64 {
    index
  }

  func allocate(
    _ node: NodeID, at offset: UInt64, length: UInt64, mode: CInt, for caller: Caller
  ) throws(Errno) {}

  func copyRange(
    from source: NodeID, at sourceOffset: UInt64, to target: NodeID, at targetOffset: UInt64,
    length: Int, for caller: Caller
  ) throws(Errno) -> Int { 0 }

  func readDirectory(
    _ node: NodeID, from offset: UInt64, into buffer: inout DirectoryBuffer
  ) throws(Errno) {
    let name = Array("name".utf8)
    name.withUnsafeBytes { name in
      var next = offset
      while buffer.hasRoom(forNameOf: name.count), next < 8 {
        next += 1
        if buffer.givesAttributes {
          buffer.add(name, entry(Int(next)), next: next)
        } else {
          buffer.add(name, inode: next, mode: 0o100_644, next: next)
        }
      }
    }
  }

  func extendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno) -> [UInt8] {
    [UInt8](repeating: 1, count: touch(name))
  }

  func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, of node: NodeID, to value: UnsafeRawBufferPointer, flags: CInt,
    for caller: Caller
  ) throws(Errno) { _ = touch(name) + touch(value) }

  func extendedAttributeNames(of node: NodeID, for caller: Caller) throws(Errno) -> [UInt8] {
    Array("user.a".utf8) + [0]
  }

  func removeExtendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno) {
    _ = touch(name)
  }

  func control(_ node: NodeID, _ request: ControlRequest) throws(Errno) -> [UInt8] {
    [UInt8](repeating: UInt8(touch(request.input) & 0xFF), count: min(request.outputCapacity, 64))
  }

  // MARK: A kernel that moves data

  func activate(_ kernel: IomapConnection) throws(IomapRefusal) {}

  func configuration(answering request: IomapWire.ConfigRequest) -> IomapWire.ConfigReply {
    IomapWire.ConfigReply(blockSize: 4096).restricted(to: request.flags)
  }

  func begin(_ node: NodeID, _ request: IomapWire.BeginRequest) throws(Errno) -> MappingPair {
    .pureOverwrite(.hole(at: FileOffset(0), length: 4096))
  }

  func end(_ node: NodeID, _ request: IomapWire.EndRequest) throws(Errno) {}

  func complete(_ node: NodeID, _ request: IomapWire.IOEndRequest) throws(Errno) -> UInt64 { 4096 }

  func freeze(unlinked: UInt64) throws(Errno) {}
  func thaw() throws(Errno) {}
  func shutDown() {}
}
