import Synchronization
import SystemPackage

extension Volume {
  /// The inode with this number, for a caller that the kernel has named it to.
  public func node(_ number: InodeNumber) throws(Ext4Error) -> Inode {
    if let inode = inodes[number] { return inode }
    return try withMetadata { () throws(Ext4Error) in
      boundCache()
      return try inode(number)
    }
  }

  /// Finds `name` in `directory` and refers to what it names once for the caller (see `forget`). ENOENT if there is
  /// no such entry.
  ///
  /// "." may be looked up in what is no directory: the kernel asks so for an inode that it knows the number of, by a handle that NFS
  /// or open_by_handle_at(2) have kept. It compares the generations. ESTALE if the inode has no names.
  public func lookup(_ name: FileName, in directory: Inode) throws(Ext4Error) -> Inode {
    try withMetadata { () throws(Ext4Error) in
      boundCache()
      if name.isCurrent {
        try requireInUse(directory)
        inodes.reference(directory)
        return directory
      }
      guard directory.isDirectory else { throw .errno(.notDirectory) }
      guard let entry = try directory.lookup(name) else { throw .errno(.noSuchFileOrDirectory) }
      let inode = try inode(entry.inode, namedIn: directory)
      inodes.reference(inode)
      return inode
    }
  }

  /// ESTALE for an inode that no handle can lead to: a free one, one without names, or one of the file system's own. (The
  /// kernel does not ask about an inode that it has. One without names that it asks about is about to be freed, though
  /// its FORGET may not have been served yet.) Metadata lock held.
  private func requireInUse(_ inode: Inode) throws(Ext4Error) {
    let isOwn =
      inode.number != .root && !geometry.isForFiles(inode.number)
    let isUsed = inode.linkCount > 0 && inode.fileType != nil
    guard !isOwn, isUsed, !inode.flags.contains(.attributeValue) else {
      throw .errno(.staleNFSFileHandle)
    }
  }

  /// The caller gives up `count` of its references to an inode. One that has no names left is freed with the last. Returns
  /// the inode if that was the last.
  @discardableResult
  public func forget(_ number: InodeNumber, count: UInt64) throws(Ext4Error) -> Inode? {
    guard let inode = inodes.unreference(number, count: count) else { return nil }
    try inode.handOverData()
    try retireForgotten(inode)
    return inode
  }

  private func retireForgotten(_ inode: Inode) throws(Ext4Error) {
    let isDone =
      !inode.isUnlinked.load(ordering: .acquiring)
      && inode.lastWrite.load(ordering: .relaxed) == 0
      && !inode.extentTreeChanged.load(ordering: .acquiring)
      && !inode.hasPreallocation.load(ordering: .acquiring)
    if isDone { return }
    let isDeleted = try change { () throws(Ext4Error) in
      // Another request may have looked the inode up again meanwhile.
      guard inodes.lookupCount(of: inode) == 0 else { return false }
      if inode.foldWriteTime(), inode.linkCount > 0 { try inode.store() }
      guard isWritable else { return false }
      guard inode.linkCount > 0 else { return true }
      if inode.hasPreallocation.load(ordering: .relaxed) { try inode.trimPreallocation() }
      return false
    }
    if isDeleted {
      try deleteOrphan(inode)
    } else if inode.extentTreeChanged.load(ordering: .relaxed) {
      try inode.compactExtentTreeInOneStep()
    }
  }

  /// Gives `inode` another name. EMLINK beyond 65,000 links.
  public func link(
    _ inode: Inode, as name: FileName, in directory: Inode
  ) throws(Ext4Error) {
    try requireWritable()
    try change { () throws(Ext4Error) in
      guard !inode.isDirectory, let type = inode.fileType else {
        throw .errno(.notPermitted)
      }
      guard inode.linkCount < Inode.maximumLinkCount else { throw .errno(.tooManyLinks) }
      guard inode.linkCount > 0 || inode.mayGetFirstName else {
        throw .errno(.noSuchFileOrDirectory)
      }
      try inode.requireLinkable()
      try requireNewName(name, in: directory)
      try directory.requireSameProject(as: inode)
      try requireStorable([inode, directory])
      try directory.insertEntry(name, inode.number, type: type)
      if inode.mayGetFirstName { try inode.noteFirstName() }
      inode.linkCount += 1
      inode.foldWriteTime()
      inode.noteChangeTime()
      try inode.store()
      try directory.touch()
      inodes.reference(inode)
    }
  }

  /// Removes a name that is not a directory's. EISDIR for one that is.
  public func unlink(_ name: FileName, in directory: Inode) throws(Ext4Error) {
    try requireWritable()
    let dropped = try change { () throws(Ext4Error) in
      let inode = try target(of: name, in: directory)
      try directory.requireRemovable(inode)
      guard !inode.isDirectory else { throw .errno(.isDirectory) }
      try requireStorable([inode, directory])
      try directory.removeEntry(name)
      try directory.touch()
      try dropLink(of: inode)
      return inode
    }
    try deleteIfUnused(dropped)
  }

  /// Removes an empty directory. ENOTEMPTY, ENOTDIR.
  public func removeDirectory(_ name: FileName, in directory: Inode) throws(Ext4Error) {
    try requireWritable()
    let dropped = try change { () throws(Ext4Error) in
      let inode = try target(of: name, in: directory)
      try directory.requireRemovable(inode)
      guard inode.isDirectory else { throw .errno(.notDirectory) }
      guard try inode.isEmptyDirectory() else { throw .errno(.directoryNotEmpty) }
      try requireStorable([inode, directory])
      try directory.removeEntry(name)
      directory.removeSubdirectory()
      try directory.touch()
      try dropDirectory(inode)
      return inode
    }
    try deleteIfUnused(dropped)
  }

  /// What an existing `name` refers to. ENOENT, ENOTDIR. Metadata lock held.
  func target(of name: FileName, in directory: Inode) throws(Ext4Error) -> Inode {
    guard directory.isDirectory else { throw .errno(.notDirectory) }
    guard let entry = try directory.lookup(name) else { throw .errno(.noSuchFileOrDirectory) }
    return try inode(entry.inode, namedIn: directory)
  }

  /// A file has lost one of its names. Without any it lives on as an orphan while it is in use. Metadata lock held.
  func dropLink(of inode: Inode) throws(Ext4Error) {
    guard inode.linkCount > 0 else {
      throw .corrupted(inode.number, what: "a file has more names than links")
    }
    inode.linkCount -= 1
    inode.foldWriteTime()
    inode.noteChangeTime()
    try retire(inode)
  }

  /// A directory has lost its name. Metadata lock held.
  func dropDirectory(_ inode: Inode) throws(Ext4Error) {
    inode.linkCount = 0
    inode.size = 0
    inode.noteChangeTime()
    try retire(inode)
  }

  private func retire(_ inode: Inode) throws(Ext4Error) {
    if inode.linkCount > 0 { return try inode.store() }
    inode.isUnlinked.store(true, ordering: .releasing)
    try addOrphan(inode)
  }

  /// Deletes an inode that has just lost its last name, unless the kernel still refers to it. Metadata lock not held.
  func deleteIfUnused(_ inode: Inode) throws(Ext4Error) {
    guard inode.isUnlinked.load(ordering: .acquiring), inodes.lookupCount(of: inode) == 0 else {
      return
    }
    try deleteOrphan(inode)
  }
}
