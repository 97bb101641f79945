import CExt2FS
import Journal

/// How libext2fs gets hold of a file system.
enum Library {
  /// Opens what `superblock` describes and has been found to be possible, without its group descriptors: those are read by
  /// `DescriptorReading`.
  static func open(
    _ cache: BlockCache, _ superblock: RawSuperblock, isWritten: Bool, checksChecksums: Bool
  ) throws(MountRefusal) -> ext2_filsys {
    var opened: ext2_filsys?
    let flags =
      EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_SKIP_MMP | EXT2_FLAG_SUPER_ONLY
      | (isWritten ? EXT2_FLAG_RW : 0) | (checksChecksums ? 0 : EXT2_FLAG_IGNORE_CSUM_ERRORS)
    let code = ext2fs_open2(IOManager.name(for: cache), nil, flags, 0, 0, IOManager.shared, &opened)
    guard code == 0, let fs = opened else {
      throw MountRefusal(
        "the file system's superblock cannot be used (\(Volume.libraryMessage(code))); run e2fsck on it"
      )
    }
    fs.pointee.flags &= ~(EXT2_FLAG_SUPER_ONLY | EXT2_FLAG_IGNORE_CSUM_ERRORS)
    // It is read twice: what was judged must be what libext2fs goes by.
    guard superblock.isSame(as: fs.pointee.super) else {
      ext2fs_free(fs)
      throw MountRefusal(
        "its superblock changed while it was being opened; another program is using it")
    }
    return fs
  }
}
