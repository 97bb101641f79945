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

  /// EPERM where `change` is forbidden. The kernel's own record of when an append-only file was written is not.
  func requireChangeable(_ change: AttributeChange) throws(Ext4Error) {
    guard !flags.isDisjoint(with: Self.unchanging) else { return }
    let isOnlyRecord =
      change.mode == nil && change.userID == nil && change.groupID == nil && change.size == nil
      && change.accessTime == nil
    guard isOnlyRecord else { throw .errno(.notPermitted) }
  }

  /// EPERM where attributes may not be set or removed.
  func requireAttributesChangeable() throws(Ext4Error) {
    guard flags.isDisjoint(with: Self.unchanging) else { throw .errno(.notPermitted) }
  }
}
