import FuseProtocol
import SystemPackage

/// A file system as a session calls it.
///
/// Every call comes from one of several threads and is answered when the function returns: with its value, or with the errno
/// that it throws. Names are bytes without NUL; pointers are valid until the function returns. No call comes for a node
/// after the last reference to it was forgotten.
public protocol FileSystemOperations: AnyObject, Sendable {
  /// ENOENT is remembered by the kernel until the name is created through the mount.
  func lookup(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) -> Entry
  /// The kernel gives up `count` of its references.
  func forget(_ node: NodeID, count: UInt64)

  /// `beforeWrite`: the kernel asks because a program is about to write into its cache, and that program gets the error.
  func attributes(of node: NodeID, beforeWrite: Bool) throws(Errno) -> Attributes
  func setAttributes(of node: NodeID, to request: AttributeRequest, for caller: Caller)
    throws(Errno) -> Attributes
  func statistics() throws(Errno) -> FileSystemStatistics

  /// `mode` has the type and, without the umask applied, the permissions.
  func makeNode(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, device: UInt32,
    for caller: Caller
  ) throws(Errno) -> Entry
  /// A regular file without a name, open.
  func makeTemporaryFile(in parent: NodeID, mode: UInt32, for caller: Caller) throws(Errno) -> Entry
  func makeDirectory(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry
  func makeSymbolicLink(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to target: UnsafeRawBufferPointer,
    for caller: Caller
  ) throws(Errno) -> Entry
  func readLink(_ node: NodeID) throws(Errno) -> [UInt8]
  func link(_ node: NodeID, as name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno)
    -> Entry
  func unlink(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno)
  func removeDirectory(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno)
  /// `flags` are those of renameat2(2).
  func rename(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to newName: UnsafeRawBufferPointer,
    in newParent: NodeID, flags: UInt32, for caller: Caller
  ) throws(Errno)

  /// The kernel opens a file, closes a descriptor of it, and lets go of it: as far as it tells, which it always does where it
  /// moves the data itself. An error of `flush` becomes close(2)'s.
  func open(_ node: NodeID) throws(Errno)
  /// Comes before `open` with the flags of open(2), and may refuse it: where the kernel asks at all.
  func admitOpening(_ node: NodeID, flags: CInt) throws(Errno)
  func flush(_ node: NodeID) throws(Errno)
  func release(_ node: NodeID)

  /// Everything written so far is on stable storage when this returns.
  func synchronize() throws(Errno)
  /// A caller has waited for `synchronize` because of a node, or of everything (nil). Throws what went wrong with its data before.
  func finishSynchronization(of node: NodeID?) throws(Errno)
  /// The file system has been unmounted, and umount(8) waits for this to return: everything is on disk then, and the
  /// device closed. Does not come for every kind of mount.
  func destroy()

  /// Fills `buffer` from byte `offset` on; fewer bytes mean the end of the file.
  func read(
    _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, flags: ReadFlags
  ) throws(Errno) -> Int
  func write(
    _ node: NodeID, _ bytes: UnsafeRawBufferPointer, at offset: UInt64, flags: WriteFlags,
    for caller: Caller
  ) throws(Errno) -> Int
  /// Which pages in the kernel's cache may be older than what a direct write has just written.
  func stalePages(of node: NodeID) -> StalePages
  /// The kernel has dropped all pages, after `stalePages` said that it should.
  func pagesWereDropped(of node: NodeID)
  /// `whence` is SEEK_DATA or SEEK_HOLE. The kernel's cached writes to the node have been received before.
  func seek(_ node: NodeID, from offset: UInt64, whence: CInt) throws(Errno) -> UInt64
  /// Where block `index` of the file is on the device, in blocks of `size` bytes; 0 for a block that is nowhere. The kernel's cached
  /// writes to the node have been received before.
  func deviceBlock(of node: NodeID, at index: UInt64, size: UInt32) throws(Errno) -> UInt64
  /// `mode` is that of fallocate(2).
  func allocate(_ node: NodeID, at offset: UInt64, length: UInt64, mode: CInt, for caller: Caller)
    throws(Errno)
  func copyRange(
    from source: NodeID, at sourceOffset: UInt64, to target: NodeID, at targetOffset: UInt64,
    length: Int,
    for caller: Caller
  ) throws(Errno) -> Int

  /// Adds entries from position `offset` on until the directory ends or `buffer` is full.
  func readDirectory(_ node: NodeID, from offset: UInt64, into buffer: inout DirectoryBuffer)
    throws(Errno)

  func extendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno) -> [UInt8]
  /// `flags` are those of setxattr(2).
  func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, of node: NodeID, to value: UnsafeRawBufferPointer, flags: CInt,
    for caller: Caller
  ) throws(Errno)
  /// The names, each ended by a NUL.
  func extendedAttributeNames(of node: NodeID, for caller: Caller) throws(Errno) -> [UInt8]
  func removeExtendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno)

  /// Answers an ioctl that the kernel passes on. ENOTTY for an unknown one.
  func control(_ node: NodeID, _ request: ControlRequest) throws(Errno) -> [UInt8]
}

extension FileSystemOperations {
  public func admitOpening(_ node: NodeID, flags: CInt) throws(Errno) {}
}

/// How a read comes about (FUSE_READ_*).
public typealias ReadFlags = FuseProtocol.ReadFlags

extension ReadFlags {
  /// Into the caller's memory, past the kernel's page cache. The kernel names a lock owner in direct reads, and in no others
  /// (`fuse_send_read` in fs/fuse/file.c).
  @inlinable public static var direct: Self { .lockOwner }
}

/// What of a file in the kernel's page cache may be stale after a direct write.
public enum StalePages: Sendable {
  case none
  /// Those where the write wrote.
  case written
  /// It pays to have the kernel drop all.
  case all
}

/// How a write comes about (FUSE_WRITE_*).
public typealias WriteFlags = FuseProtocol.WriteFlags

extension WriteFlags {
  /// From the kernel's page cache; times are kept there, and the caller is unknown.
  @inlinable public static var fromCache: Self { .cache }
  /// From the caller's memory, past the page cache (`fuse_send_write`).
  @inlinable public static var direct: Self { .lockOwner }
  /// The writer may not keep set-id bits.
  @inlinable public static var clearsSetID: Self { .killSetID }
}
