import SystemPackage

extension InodeFlags {
  /// What lsattr(1) sees (EXT4_FL_USER_VISIBLE).
  public static let visible = InodeFlags(rawValue: 0x725B_DFFF)

  /// What chattr(1) may change here (EXT4_FL_USER_MODIFIABLE, less those that need the file to be rewritten).
  static let changeable: InodeFlags = [
    .synchronous, .immutable, .appendOnly, .noDump, .noAccessTime, .synchronousDirectory,
    .topDirectory, .noTail, .inheritProject, .directAccess, .journalData,
    InodeFlags(rawValue: 0x0000_0001 | 0x0000_0002),
  ]
}

extension Inode {
  /// Replaces the changeable flags, keeping the others, and the project. EPERM for an immutable file that stays immutable, EOPNOTSUPP where one of the others would change, a flag
  /// does not befit the file's type, or the file system knows no projects.
  public func setFlags(_ new: InodeFlags, projectID: UInt32?) throws(Ext4Error) {
    try volume.requireWritable()
    let present = status().flags.intersection(.journalData)
    guard new.intersection(.journalData) != present else {
      return try changeFlags(to: new, projectID: projectID)
    }
    // Without a journal the flag stays as it is, and the caller gets no error (ext4_change_inode_journal_flag).
    guard volume.hasJournal else {
      return try changeFlags(
        to: new.subtracting(.journalData).union(present), projectID: projectID)
    }
    guard !isManagedByKernel else { throw .errno(.notSupported) }
    try io.withWriteLock { () throws(Ext4Error) in
      try prepareToSwitchJournaling()
      try changeFlags(to: new, projectID: projectID)
    }
  }

  private func changeFlags(to new: InodeFlags, projectID: UInt32?) throws(Ext4Error) {
    try volume.change { () throws(Ext4Error) in
      let fixed = InodeFlags.visible.subtracting(.changeable)
      guard new.intersection(fixed) == flags.intersection(fixed) else {
        throw .errno(.notSupported)
      }
      let changeable = new.intersection(.changeable)
      guard isDirectory || changeable.isSubset(of: .regularFileMask) else {
        throw .errno(.notSupported)
      }
      // What is immutable, and stays so, keeps all of it (ext4_ioctl_check_immutable).
      if flags.contains(.immutable), changeable.contains(.immutable) {
        guard changeable == flags.intersection(.changeable),
          projectID ?? self.projectID == self.projectID
        else { throw .errno(.notPermitted) }
      }
      if let projectID, projectID != self.projectID {
        guard volume.features.readOnlyCompatible.contains(.project), hasProjectID else {
          throw .errno(.notSupported)
        }
        raw.pointee.i_projid = projectID
      }
      flags = flags.subtracting(.changeable).union(changeable)
      noteChangeTime()
      try store()
    }
  }
}
