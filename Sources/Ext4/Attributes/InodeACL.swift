import Glibc
import SystemPackage

// POSIX ACLs (fs/ext4/acl.c). The metadata lock is held, for all of them; the caller sets the change time. Without the mount option
// `acl` there are none: EOPNOTSUPP where a caller asks for them.
extension Inode {
  /// Replaces the access ACL by one in the form of setxattr(2), and sets the mode's permission bits to what
  /// it grants. Nil, or an ACL without entries, removes it and leaves the mode. An ACL that says no more
  /// than a mode is not stored. `clearSetGroupID`: the caller is neither in the file's group nor privileged.
  /// EINVAL when it is no valid ACL. Returns false when nothing was changed.
  @discardableResult
  func setAccessACL(
    _ value: UnsafeRawBufferPointer?, clearSetGroupID: Bool
  ) throws(Ext4Error) -> Bool {
    guard let acl = try newACL(value) else { return try store(nil, as: .accessACL) }
    guard acl.isValid else { throw .errno(.invalidArgument) }
    // The kernel sets the mode that goes with it.
    if isManagedByKernel { return try store(acl, as: .accessACL) }
    let (bits, isMinimal) = acl.equivalentMode
    var newMode = mode & ~0o777 | bits
    if clearSetGroupID { newMode &= ~0o2000 }
    let aclChanged = try store(isMinimal ? nil : acl, as: .accessACL)
    guard newMode != mode else { return aclChanged }
    mode = newMode
    try store()
    return true
  }

  /// Replaces a directory's default ACL by one in the form of setxattr(2). Nil, or an ACL without entries,
  /// removes it. EACCES for anything but a directory. Returns false when nothing was changed.
  @discardableResult
  func setDefaultACL(_ value: UnsafeRawBufferPointer?) throws(Ext4Error) -> Bool {
    let acl = try newACL(value)
    guard isDirectory else {
      if acl != nil { throw .errno(.permissionDenied) }
      return false
    }
    guard acl?.isValid ?? true else { throw .errno(.invalidArgument) }
    return try store(acl, as: .defaultACL)
  }

  /// Gives this new inode the ACLs that `parent`'s default ACL asks for. Returns the mode it shall have:
  /// `mode`, with its file type, less what that ACL or, without one, `umask` denies (posix_acl_create).
  func inheritACL(
    from parent: Inode, mode: UInt16, umask: UInt16
  ) throws(Ext4Error) -> UInt16 {
    if FileType(mode: mode) == .symbolicLink { return mode }
    guard volume.hasACLs, var acl = try parent.accessControlList(.defaultACL) else {
      return mode & ~(umask & 0o777)
    }
    if FileType(mode: mode) == .directory { try store(acl, as: .defaultACL) }
    guard let bits = acl.restrict(toMode: mode) else {
      throw .corrupted(parent.number, what: "its default ACL is incomplete")
    }
    if !acl.equivalentMode.isMinimal { try store(acl, as: .accessACL) }
    return mode & ~0o777 | bits
  }

  /// Makes the access ACL, if there is one, agree with the mode that the inode is given
  /// (posix_acl_chmod). Returns false when nothing was changed.
  @discardableResult
  func adjustACL(forMode mode: UInt16) throws(Ext4Error) -> Bool {
    guard volume.hasACLs, !isSymbolicLink, var acl = try accessControlList(.accessACL) else {
      return false
    }
    guard acl.apply(mode: mode) else {
      throw .corrupted(number, what: "its ACL is incomplete")
    }
    return try store(acl.equivalentMode.isMinimal ? nil : acl, as: .accessACL)
  }

  /// The ACL on disk; nil for none.
  func accessControlList(_ name: AttributeName) throws(Ext4Error) -> AccessControlList? {
    guard hasAttributes else { return nil }
    let bytes: [UInt8]
    do throws(Ext4Error) {
      bytes = try storedValue(of: name)
    } catch .errno(.noData) {
      return nil
    }
    guard let acl = bytes.withUnsafeBytes({ AccessControlList(onDisk: $0) }) else {
      throw .corrupted(number, what: "its ACL is malformed")
    }
    return acl
  }

  private func newACL(
    _ value: UnsafeRawBufferPointer?
  ) throws(Ext4Error) -> AccessControlList? {
    // In the kernel's order, for what is wrong in two ways (vfs_set_acl).
    guard volume.hasACLs else { throw .errno(.notSupported) }
    // No bytes at all mean no ACL, too.
    let acl = try value.flatMap { bytes throws(Ext4Error) in
      bytes.isEmpty ? nil : try AccessControlList(attribute: bytes)
    }
    guard !isSymbolicLink else { throw .errno(.notSupported) }
    return acl
  }

  @discardableResult
  private func store(
    _ acl: AccessControlList?, as name: AttributeName
  ) throws(Ext4Error) -> Bool {
    guard let acl else { return try change(name, to: nil, .createOrReplace) }
    let result = acl.diskForm.withUnsafeBytes { bytes in
      Result { () throws(Ext4Error) in try change(name, to: bytes, .createOrReplace) }
    }
    return try result.get()
  }
}

extension Volume {
  fileprivate var hasACLs: Bool { shows(.accessACL) }
}
