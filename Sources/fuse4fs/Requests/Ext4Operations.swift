import Ext4
import FuseServer
import Glibc
import Logging
import Synchronization
import SystemPackage

/// The requests of the kernel, carried out on a volume.
///
/// Node ids are inode numbers, so that no table translates them; only the root's differ.
final class Ext4Operations: FileSystemOperations {
  let volume: Volume
  let ownerOverride: OwnerOverride
  private let atime: Ext4.AccessTimePolicy
  private let directoryAtime: Ext4.AccessTimePolicy
  private let synchronousDirectories: Bool
  private let synchronous: Bool
  let errorPolicy: RequestErrorPolicy
  /// Set where the kernel may move data by itself.
  let iomap: IomapServer?
  let privilege: Privilege
  let log = Logger(label: "fuse4fs.requests")
  /// Where the mount is, and whether there is only one thread to serve it.
  let mountpoint: String
  let isSingleThreaded: Bool
  /// A shutdown was requested (EXT4_IOC_SHUTDOWN): nothing is to be written any more.
  let shutdownHasBegun = Atomic<Bool>(false)
  private let atEnd: @Sendable () -> Void

  /// `atEnd` is called when the mount has ended; the process that unmounts may still wait for the answer to DESTROY.
  init(
    volume: Volume, options: MountOptions, errorPolicy: RequestErrorPolicy,
    iomap: IomapServer? = nil,
    atEnd: @escaping @Sendable () -> Void = {}
  ) {
    self.volume = volume
    self.errorPolicy = errorPolicy
    self.iomap = iomap
    privilege = Privilege(isForEverybody: options.fakeroot)
    mountpoint = options.mountpoint
    isSingleThreaded = options.singleThread
    self.atEnd = atEnd
    ownerOverride = OwnerOverride(
      userID: options.uid, groupID: options.gid, iomap: iomap)
    atime =
      switch options.atime {
      case .noatime: .noatime
      case .relatime: .relatime
      case .strictatime: .strictatime
      }
    directoryAtime = options.directoryAtime ? atime : .noatime
    synchronous = options.synchronous
    synchronousDirectories = options.dirsync || options.synchronous
  }

  @inline(__always)
  func attempt<T>(_ body: () throws(Ext4Error) -> T) throws(Errno) -> T {
    try errorPolicy.attempt(body)
  }

  /// The same for what only looks at metadata.
  @inline(__always)
  private func look<T>(_ body: () throws(Ext4Error) -> T) throws(Errno) -> T {
    try errorPolicy.attemptToLook(body)
  }

  /// The same for what changes directories: with `dirsync`, it is on disk before it is answered.
  private func change<T>(
    _ directory: NodeID? = nil, _ other: NodeID? = nil, body: () throws(Ext4Error) -> T
  ) throws(Errno) -> T {
    try attempt { () throws(Ext4Error) in
      let result = try body()
      var isSynchronous = synchronousDirectories
      if !isSynchronous, let directory {
        isSynchronous = try inode(directory).hasSynchronousEntries
      }
      if !isSynchronous, let other {
        isSynchronous = try inode(other).hasSynchronousEntries
      }
      if isSynchronous { try volume.synchronize() }
      return result
    }
  }

  /// After a change of `inode`: with `sync`, or the flag of that name, it is on disk before it is answered.
  private func settle(_ inode: Inode) throws(Ext4Error) {
    if synchronous || inode.isSynchronous { try volume.synchronize() }
  }

  func inode(_ node: NodeID) throws(Ext4Error) -> Inode {
    try volume.node(InodeNumber(node: node))
  }

  private func entry(_ inode: Inode) -> Entry {
    inode.noteAttributesKnown()
    iomap?.noteAttributes(of: inode)
    var entry = ownerOverride.entry(inode.status())
    if volume.hasRunOutOfRoom {
      entry.attributes.mustBeAskedAgain = !inode.isManagedByKernel
    }
    return entry
  }

  private func attributes(_ inode: Inode) -> Attributes {
    inode.noteAttributesKnown()
    iomap?.noteAttributes(of: inode)
    return ownerOverride.attributes(inode.status())
  }

  // MARK: Names

  func lookup(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) -> Entry {
    try look { () throws(Ext4Error) in
      entry(try volume.lookup(try FileName(name), in: try inode(parent)))
    }
  }

  func forget(_ node: NodeID, count: UInt64) {
    do throws(Errno) {
      try attempt { () throws(Ext4Error) in
        if let inode = try volume.forget(InodeNumber(node: node), count: count) {
          iomap?.publisher?.noteForgotten(inode)
        }
      }
    } catch {
      // FORGET has no answer; damage has been recorded.
    }
  }

  func makeNode(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, device: UInt32,
    for caller: Caller
  ) throws(Errno) -> Entry {
    guard let type = FileType(mode: UInt16(truncatingIfNeeded: mode & 0o170000)) else {
      throw .invalidArgument
    }
    let content: NewNode.Content
    switch type {
    case .regular: content = .regularFile
    case .characterDevice: content = .characterDevice(device)
    case .blockDevice: content = .blockDevice(device)
    case .fifo: content = .fifo
    case .socket: content = .socket
    case .directory, .symbolicLink: throw .invalidArgument
    }
    return try make(content, name, in: parent, mode: mode, for: caller)
  }

  func makeTemporaryFile(
    in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry {
    let made = try change { () throws(Ext4Error) in
      let directory = try inode(parent)
      let node = newNode(.regularFile, in: directory, mode: mode, for: caller)
      return entry(try volume.createTemporary(node, in: directory))
    }
    try open(made.node)
    return made
  }

  func makeDirectory(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32, for caller: Caller
  ) throws(Errno) -> Entry {
    try make(.directory, name, in: parent, mode: mode, for: caller)
  }

  func makeSymbolicLink(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to target: UnsafeRawBufferPointer,
    for caller: Caller
  ) throws(Errno) -> Entry {
    try make(.symbolicLink(Array(target)), name, in: parent, mode: 0o777, for: caller)
  }

  private func make(
    _ content: NewNode.Content, _ name: UnsafeRawBufferPointer, in parent: NodeID, mode: UInt32,
    for caller: Caller
  ) throws(Errno) -> Entry {
    try change(parent) { () throws(Ext4Error) in
      let directory = try inode(parent)
      let node = newNode(content, in: directory, mode: mode, for: caller)
      return entry(try volume.create(node, named: try FileName(name), in: directory))
    }
  }

  private func newNode(
    _ content: NewNode.Content, in directory: Inode, mode: UInt32, for caller: Caller
  ) -> NewNode {
    var node = NewNode(
      content, permissions: UInt16(truncatingIfNeeded: mode), umask: caller.umask,
      userID: caller.userID, groupID: caller.groupID)
    node.isComplete = directory.isManagedByKernel
    return node
  }

  func readLink(_ node: NodeID) throws(Errno) -> [UInt8] {
    try look { () throws(Ext4Error) in try inode(node).linkTarget() }
  }

  func link(_ node: NodeID, as name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno)
    -> Entry
  {
    try change(parent) { () throws(Ext4Error) in
      let inode = try inode(node)
      try volume.link(inode, as: try FileName(name), in: try self.inode(parent))
      return entry(inode)
    }
  }

  func unlink(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) {
    try change(parent) { () throws(Ext4Error) in
      try volume.unlink(try FileName(name), in: try inode(parent))
    }
  }

  func removeDirectory(_ name: UnsafeRawBufferPointer, in parent: NodeID) throws(Errno) {
    try change(parent) { () throws(Ext4Error) in
      try volume.removeDirectory(try FileName(name), in: try inode(parent))
    }
  }

  func rename(
    _ name: UnsafeRawBufferPointer, in parent: NodeID, to newName: UnsafeRawBufferPointer,
    in newParent: NodeID, flags: UInt32, for caller: Caller
  ) throws(Errno) {
    try change(parent, newParent) { () throws(Ext4Error) in
      try volume.rename(
        try FileName(name), in: try inode(parent), to: try FileName(newName),
        in: try inode(newParent), flags: Volume.RenameFlags(rawValue: flags),
        userID: caller.userID, groupID: caller.groupID)
    }
  }

  func readDirectory(
    _ node: NodeID, from offset: UInt64, into buffer: inout DirectoryBuffer
  ) throws(Errno) {
    do throws(Errno) {
      try look { () throws(Ext4Error) in
        let directory = try inode(node)
        try list(directory, from: offset, into: &buffer)
        if offset == 0 { try directory.noteAccess(directoryAtime) }
      }
    } catch {
      // What has been found before goes out, since the kernel holds references to it; the error comes with the next call.
      if buffer.isEmpty { throw error }
    }
  }

  private func list(
    _ directory: Inode, from offset: UInt64, into buffer: inout DirectoryBuffer
  ) throws(Ext4Error) {
    var failure: Ext4Error?
    try volume.list(directory, from: offset) { entry in
      failure = nil
      guard buffer.hasRoom(forNameOf: entry.name.count) else { return false }
      do throws(Ext4Error) {
        if buffer.givesAttributes, !entry.isSelfOrParent {
          let status = try entry.referencedStatus()
          iomap?.noteAttributes(of: status.inode)
          buffer.add(entry.name, ownerOverride.entry(status), next: entry.next)
        } else {
          buffer.add(
            entry.name, inode: UInt64(entry.inode.rawValue),
            mode: UInt32(entry.type?.modeBits ?? 0), next: entry.next)
        }
        return true
      } catch {
        failure = error
        return false
      }
    }
    if let failure { throw failure }
  }

  // MARK: Attributes

  func attributes(of node: NodeID, beforeWrite: Bool) throws(Errno) -> Attributes {
    if beforeWrite, volume.hasShutDown { throw .ioError }
    return try look { () throws(Ext4Error) in
      let inode = try inode(node)
      if beforeWrite, !inode.isManagedByKernel { try inode.admitWriter() }
      var attributes = attributes(inode)
      attributes.mustBeAskedAgain = !inode.isManagedByKernel && inode.admitsWritersOnRequest
      return attributes
    }
  }

  func setAttributes(
    of node: NodeID, to request: AttributeRequest, for caller: Caller
  ) throws(Errno) -> Attributes {
    guard ownerOverride.permits(request) else { throw .notPermitted }
    return try attempt { () throws(Ext4Error) in
      let inode = try inode(node)
      var change = AttributeChange(ownerOverride.stripped(request))
      if change.clearSetID { change.callerIsInGroup = keepsSetGroupID(caller, inode) }
      try inode.apply(change)
      try settle(inode)
      return attributes(inode)
    }
  }

  func statistics() throws(Errno) -> FileSystemStatistics {
    let statistics = volume.statistics()
    return FileSystemStatistics(
      blockSize: statistics.blockSize, blocks: statistics.blocks,
      freeBlocks: statistics.freeBlocks, availableBlocks: statistics.availableBlocks,
      files: statistics.inodes, freeFiles: statistics.freeInodes,
      maximumNameLength: UInt32(FileName.maximumLength))
  }

  func extendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno) -> [UInt8] {
    try look { () throws(Ext4Error) in try inode(node).extendedAttribute(name) }
  }

  func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, of node: NodeID, to value: UnsafeRawBufferPointer, flags: CInt,
    for caller: Caller
  ) throws(Errno) {
    guard let mode = Inode.AttributeMode(flags: flags) else { throw .invalidArgument }
    try attempt { () throws(Ext4Error) in
      let inode = try inode(node)
      try inode.setExtendedAttribute(name, to: value, mode) { groupID in
        caller.userID == 0 || caller.isMember(of: groupID)
      }
      tellOfBlocks(inode, node)
      try settle(inode)
    }
  }

  func extendedAttributeNames(of node: NodeID, for caller: Caller) throws(Errno) -> [UInt8] {
    try look { () throws(Ext4Error) in
      try inode(node).extendedAttributeNames(toPrivileged: caller.userID == 0)
    }
  }

  func removeExtendedAttribute(_ name: UnsafePointer<CChar>, of node: NodeID) throws(Errno) {
    try attempt { () throws(Ext4Error) in
      let inode = try inode(node)
      try inode.removeExtendedAttribute(name)
      tellOfBlocks(inode, node)
      try settle(inode)
    }
  }

  // MARK: Data

  func read(
    _ node: NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, flags: ReadFlags
  ) throws(Errno) -> Int {
    try attempt { () throws(Ext4Error) in
      let inode = try inode(node)
      if !flags.contains(.direct) { inode.pageCache.noteRead() }
      let count = try inode.read(into: buffer, at: offset)
      try inode.noteAccess(atime)
      return count
    }
  }

  func write(
    _ node: NodeID, _ bytes: UnsafeRawBufferPointer, at offset: UInt64, flags: WriteFlags,
    for caller: Caller
  ) throws(Errno) -> Int {
    try attempt { () throws(Ext4Error) in
      let inode = try inode(node)
      var options: Inode.WriteOptions = []
      if flags.contains(.fromCache) {
        options.insert(.writeback)
        inode.pageCache.noteRead()
      }
      if flags.contains(.clearsSetID) { options.formUnion(setIDOptions(for: caller, inode)) }
      defer { forgetMode(of: node, after: options) }
      do throws(Ext4Error) {
        try inode.writeAll(bytes, at: offset, options: options)
      } catch {
        if error.errno == .noSpace {
          volume.noteOutOfRoom()
          if flags.contains(.fromCache) {
            inode.noteStarvation()
            Session.invalidateAttributes(of: node, hasNoName: inode.hasNoName)
          }
        }
        throw error
      }
      tellOfBlocks(inode, node)
      try settle(inode)
      return bytes.count
    }
  }

  /// The kernel does not count the blocks of a file by itself.
  private func tellOfBlocks(_ inode: Inode, _ node: NodeID) {
    guard inode.mustTellOfBlocks() else { return }
    Session.invalidateAttributes(of: node, hasNoName: inode.hasNoName)
  }

  /// What the kernel knows of the mode is no longer true when set-id bits have gone, which they do even if the change that
  /// follows fails.
  private func forgetMode(of node: NodeID, after options: Inode.WriteOptions) {
    if options.contains(.clearSetID) { Session.invalidateAttributes(of: node) }
  }

  private func setIDOptions(for caller: Caller, _ inode: Inode) -> Inode.WriteOptions {
    keepsSetGroupID(caller, inode) ? [.clearSetID, .inGroup] : .clearSetID
  }

  /// Root, and members of the file's group.
  private func keepsSetGroupID(_ caller: Caller, _ inode: Inode) -> Bool {
    caller.userID == 0 || caller.isMember(of: inode.status().groupID)
  }

  /// For writes the kernel says whether set-id bits must be removed, but not for fallocate and copy_file_range: there they are removed
  /// unless the caller is root.
  private func dataChangeOptions(for caller: Caller, _ inode: Inode) -> Inode.WriteOptions {
    caller.userID == 0 ? [] : setIDOptions(for: caller, inode)
  }

  func synchronize() throws(Errno) {
    try attempt { () throws(Ext4Error) in try volume.synchronize() }
  }

  func finishSynchronization(of node: NodeID?) throws(Errno) {
    guard let node else {
      if let error = volume.takeWriteError() { throw error }
      return
    }
    guard let inode = volume.knownNode(InodeNumber(node: node)) else { return }
    if let error = inode.takeWriteError() { throw error }
    iomap?.noteSynchronization(inode)
  }

  func admitOpening(_ node: NodeID, flags: CInt) throws(Errno) {
    try attempt { () throws(Ext4Error) in
      try inode(node).requireOpenable(
        forWriting: flags & O_ACCMODE != O_RDONLY, appending: flags & O_APPEND != 0)
    }
  }

  func open(_ node: NodeID) throws(Errno) {
    guard let iomap else { return }
    iomap.noteOpen(try attempt { () throws(Ext4Error) in try inode(node) })
  }

  func flush(_ node: NodeID) throws(Errno) {
    if let error = volume.knownNode(InodeNumber(node: node))?.takeWriteError() { throw error }
  }

  func release(_ node: NodeID) {
    guard let iomap, let inode = volume.knownNode(InodeNumber(node: node)) else { return }
    iomap.noteRelease(inode)
  }

  func destroy() { atEnd() }

  func seek(_ node: NodeID, from offset: UInt64, whence: CInt) throws(Errno) -> UInt64 {
    guard let target = SeekTarget(rawValue: whence) else { throw .invalidArgument }
    return try attempt { () throws(Ext4Error) in
      try inode(node).seek(from: offset, toData: target == .data)
    }
  }

  func deviceBlock(of node: NodeID, at index: UInt64, size: UInt32) throws(Errno) -> UInt64 {
    let (position, overflow) = index.multipliedReportingOverflow(by: UInt64(size))
    guard size > 0, !overflow else { return 0 }
    return try look { () throws(Ext4Error) in
      // The kernel may count in larger blocks than the file system has, and from 6.17 on does.
      let position = try inode(node).devicePosition(at: position, count: UInt64(size))
      guard let position, position % UInt64(size) == 0 else { return 0 }
      return position / UInt64(size)
    }
  }

  func allocate(
    _ node: NodeID, at offset: UInt64, length: UInt64, mode: CInt, for caller: Caller
  ) throws(Errno) {
    guard let operation = Inode.RangeOperation(fallocateMode: mode) else { throw .notSupported }
    try attempt { () throws(Ext4Error) in
      let inode = try inode(node)
      let options = dataChangeOptions(for: caller, inode)
      defer { forgetMode(of: node, after: options) }
      try inode.change(operation, at: offset, length: length, options: options)
      try settle(inode)
    }
  }

  func copyRange(
    from source: NodeID, at sourceOffset: UInt64, to target: NodeID, at targetOffset: UInt64,
    length: Int,
    for caller: Caller
  ) throws(Errno) -> Int {
    try attempt { () throws(Ext4Error) in
      let targetInode = try inode(target)
      let options = dataChangeOptions(for: caller, targetInode)
      defer { forgetMode(of: target, after: options) }
      let count = try volume.copyRange(
        from: try inode(source), at: sourceOffset, to: targetInode, at: targetOffset,
        length: length, options: options)
      try settle(targetInode)
      return count
    }
  }
}
