import Glibc
import SystemPackage

// Extended attributes as requests want them: with the lock, the change time, and the checks that are left to the file system.
extension Inode {
  /// The value of the attribute with this full name. ENODATA when there is none.
  public func extendedAttribute(_ name: UnsafePointer<CChar>) throws(Ext4Error) -> [UInt8] {
    try volume.metadata.withLock { () throws(Ext4Error) in
      do throws(Ext4Error) {
        return try attribute(named: name)
      } catch .errno(.noData) {
        if strcmp(name, "security.capability") == 0 {
          mayHaveCapability.store(false, ordering: .relaxed)
        }
        throw .errno(.noData)
      }
    }
  }

  /// Sets an attribute. `keepsSetGroupID`: whoever sets an ACL is privileged or in the file's group.
  public func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, to value: UnsafeRawBufferPointer, _ mode: AttributeMode,
    keepsSetGroupID: (_ groupID: UInt32) -> Bool
  ) throws(Ext4Error) {
    try volume.requireWritable()
    try volume.metadata.withLock { () throws(Ext4Error) in
      let changed: Bool
      if strcmp(name, "system.posix_acl_access") == 0 {
        changed = try setAccessACL(value, clearSetGroupID: !keepsSetGroupID(groupID))
      } else {
        changed = try setAttribute(named: name, to: value, mode)
      }
      if changed { try noteAttributeChange() }
    }
  }

  public func removeExtendedAttribute(_ name: UnsafePointer<CChar>) throws(Ext4Error) {
    try volume.requireWritable()
    try volume.metadata.withLock { () throws(Ext4Error) in
      if try removeAttribute(named: name) { try noteAttributeChange() }
    }
  }

  /// The full names, each ended by a NUL.
  public func extendedAttributeNames() throws(Ext4Error) -> [UInt8] {
    try volume.metadata.withLock { () throws(Ext4Error) in try attributeNames() }
  }

  private func noteAttributeChange() throws(Ext4Error) {
    foldWriteTime()
    changeTime = .now
    try store()
  }
}

extension Inode {
  /// Flags that chattr(1) may change here (EXT4_FL_USER_MODIFIABLE, less those that need the file to be rewritten).
  public static let changeableFlags: InodeFlags = [
    .synchronous, .immutable, .appendOnly, .noDump, .noAccessTime, .synchronousDirectory,
    .topDirectory, .noTail, .inheritProject, InodeFlags(rawValue: 0x0000_0001 | 0x0000_0002),
  ]

  /// Replaces the changeable flags, and keeps the others. EOPNOTSUPP where one of those would change.
  public func setFlags(_ new: InodeFlags) throws(Ext4Error) {
    try volume.requireWritable()
    try volume.metadata.withLock { () throws(Ext4Error) in
      let visible = InodeFlags(rawValue: 0x705B_DFFF)  // EXT4_FL_USER_VISIBLE
      let fixed = visible.subtracting(Self.changeableFlags)
      guard new.intersection(fixed) == flags.intersection(fixed) else {
        throw .errno(.notSupported)
      }
      let mask: InodeFlags =
        isDirectory
        ? Self.changeableFlags : Self.changeableFlags.intersection(.regularFileMask)
      flags = flags.subtracting(Self.changeableFlags).union(new.intersection(mask))
      changeTime = .now
      try store()
    }
  }
}
