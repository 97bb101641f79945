import SystemPackage

// What the immutable and append-only flags forbid. The kernel's VFS enforces them for file systems that it knows to have them;
// over FUSE it does not know. Metadata lock held, for all of this.
extension Inode {
  private static let unchanging: InodeFlags = [.immutable, .appendOnly]

  /// EPERM where names may not be added.
  func requireInsertable() throws(Ext4Error) {
    guard !flags.contains(.immutable) else { throw .errno(.notPermitted) }
  }

  /// EPERM where `inode` may not lose its name in this directory.
  func requireRemovable(_ inode: Inode) throws(Ext4Error) {
    guard flags.isDisjoint(with: Self.unchanging), inode.flags.isDisjoint(with: Self.unchanging)
    else { throw .errno(.notPermitted) }
  }

  /// EPERM where the inode may not get another name.
  func requireLinkable() throws(Ext4Error) {
    guard flags.isDisjoint(with: Self.unchanging) else { throw .errno(.notPermitted) }
  }

  /// EPERM where `change` is forbidden. The kernel's own record of when a file was written is not, nor that an append-only file is
  /// touched.
  func requireChangeable(_ change: AttributeChange) throws(Ext4Error) {
    guard !flags.isDisjoint(with: Self.unchanging) else { return }
    let isTouch = change.accessIsNow && !flags.contains(.immutable)
    let isOnlyRecord =
      change.mode == nil && change.userID == nil && change.groupID == nil && change.size == nil
      && (change.accessTime == nil || isTouch)
    guard isOnlyRecord else { throw .errno(.notPermitted) }
  }

  /// EPERM where the file's blocks may not be changed so (vfs_fallocate).
  func requireRangeChangeable(_ operation: RangeOperation) throws(Ext4Error) {
    guard !flags.contains(.immutable) else { throw .errno(.notPermitted) }
    if case .allocate = operation { return }
    guard !flags.contains(.appendOnly) else { throw .errno(.notPermitted) }
  }

  /// EPERM where the file may not be opened so (inode_permission and may_open in fs/namei.c). Takes the metadata lock.
  public func requireOpenable(forWriting: Bool, appending: Bool) throws(Ext4Error) {
    guard forWriting else { return }
    let flags = volume.metadata.withLock { self.flags }
    guard !flags.contains(.immutable), appending || !flags.contains(.appendOnly) else {
      throw .errno(.notPermitted)
    }
  }

  /// EPERM where new data for an immutable file comes from a writer and not from the kernel's cache, which has taken it before the
  /// file became immutable. No lock is held.
  func requireWritable(_ options: WriteOptions) throws(Ext4Error) {
    let isImmutable = flagsNow.contains(.immutable)
    guard !isImmutable || options.contains(.writeback) else { throw .errno(.notPermitted) }
  }

  /// EPERM where attributes may not be set or removed.
  func requireAttributesChangeable() throws(Ext4Error) {
    guard flags.isDisjoint(with: Self.unchanging) else { throw .errno(.notPermitted) }
  }
}
