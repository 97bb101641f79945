import Glibc

/// Mounts of the type fuseblk: the kernel knows the block device that is behind the mount.
///
/// Only for these do the kernels of today pass sync(2) and syncfs(2) on (FUSE_SYNCFS; fs/fuse/inode.c, `fuse_fill_super_common`), and
/// umount(2) waits until the daemon has written everything. They are for root alone, and the kernel claims the device for itself.
enum BlockMount {
  /// Whether the mount can be one.
  static func isPossible(_ options: MountOptions, _ image: ImageSource) -> Bool {
    image.isBlockDevice && image.isWritable && geteuid() == 0 && isInitialUserNamespace
      // The kernel opens the device by the name that the mount table shows.
      && options.fsName == nil && image.path.hasPrefix("/dev/")
      && !image.path.hasPrefix("/dev/fd/")
  }

  /// All users are mapped to themselves (user_namespaces(7)).
  private static var isInitialUserNamespace: Bool {
    let fields = SystemFile.line("/proc/self/uid_map")?.split(separator: " ")
    return fields == ["0", "0", "4294967295"]
  }
}
