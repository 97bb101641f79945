import SystemPackage

// The project that a file belongs to, which a directory with the flag `inheritProject` hands down to what is made in it. Metadata lock
// held, for all of this.
extension Inode {
  /// 0 where the inode has no room for it.
  var projectID: UInt32 { hasProjectID ? raw.pointee.i_projid : 0 }

  var hasProjectID: Bool { hasRoom(for: .projectID) }

  /// A new inode takes over its directory's project if that says so, and else belongs to none (fs/ext4/ialloc.c).
  func inheritProject(from directory: Inode) {
    guard hasProjectID else { return }
    let inherits =
      volume.features.readOnlyCompatible.contains(.project)
      && directory.flags.contains(.inheritProject)
    raw.pointee.i_projid = inherits ? directory.projectID : 0
  }

  /// EXDEV where `inode` may not get a name in this directory: the directory hands down a project that is not the inode's (ext4_link,
  /// ext4_rename).
  func requireSameProject(as inode: Inode) throws(Ext4Error) {
    guard !flags.contains(.inheritProject) || projectID == inode.projectID else {
      throw .errno(.improperLink)
    }
  }
}
