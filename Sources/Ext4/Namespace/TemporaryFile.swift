import SystemPackage

extension Volume {
  /// Creates a regular file that no name leads to, near `directory`, and refers to it once for the caller. It goes with the last
  /// reference (see `forget`), or at the next mount, unless it is given a name before (`link`). ENOENT in a deleted directory, ENOSPC.
  public func createTemporary(
    _ node: NewNode, in directory: Inode
  ) throws(Ext4Error) -> Inode {
    try requireWritable()
    return try change(credits: creationCredits) { () throws(Ext4Error) in
      guard directory.isDirectory else { throw .errno(.notDirectory) }
      guard directory.linkCount > 0 else { throw .errno(.noSuchFileOrDirectory) }
      let inode = try makeInode(for: node, in: directory)
      inode.linkCount = 0
      inode.isUnlinked.store(true, ordering: .releasing)
      inode.mayGetFirstName = true
      do throws(Ext4Error) {
        try addOrphan(inode)
      } catch {
        undo { () throws(Ext4Error) in try freeInode(inode) }
        throw error
      }
      inodes.reference(inode)
      return inode
    }
  }
}

extension Inode {
  /// A file that was made without a name has one from now on. Metadata lock held; the caller stores the inode.
  func noteFirstName() throws(Ext4Error) {
    mayGetFirstName = false
    isUnlinked.store(false, ordering: .releasing)
    try volume.removeOrphan(self)
  }
}
