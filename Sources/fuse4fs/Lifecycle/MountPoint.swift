import Glibc
import SystemPackage

/// The directory to mount on.
enum MountPoint {
  /// Checks that a path can be mounted on, and makes it absolute.
  ///
  /// - Throws: a mount failure that says what is in the way and how to get past it.
  static func resolve(_ path: String) throws(StartupFailure) -> String {
    guard let absolute = SystemFile.absolute(path) else { throw failure(path, .last) }
    if let mount = MountTable.current().entry(at: absolute), ownTypes.contains(mount.type) {
      // Its own daemon answers for it, or does not, which is worth telling apart.
      if access(absolute, F_OK) != 0, Errno.last == .socketNotConnected {
        throw failure(path, .socketNotConnected)
      }
      throw .mount(
        "'\(path)' has '\(mount.source)' mounted on it already; unmount that first: "
          + "fusermount3 -u \(path)")
    }
    var status = stat()
    guard stat(absolute, &status) == 0 else { throw failure(path, .last) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .mount("mount point '\(path)' is not a directory")
    }
    // What fusermount3 demands of those who are not root.
    if geteuid() != 0 && access(absolute, W_OK) != 0 {
      throw .mount(
        "you may not write to '\(path)', and so may not mount on it; use a directory of your own")
    }
    return absolute
  }

  /// Types that the mount table shows for mounts of ours.
  private static let ownTypes: Set<String> = ["fuse.fuse4fs", "fuse.ext4"]

  private static func failure(_ path: String, _ errno: Errno) -> StartupFailure {
    switch errno {
    case .noSuchFileOrDirectory:
      .mount("mount point '\(path)' does not exist; make it: mkdir \(path)")
    case .socketNotConnected:
      .mount(
        "a FUSE daemon that has died left '\(path)' mounted; release it: fusermount3 -u \(path)")
    default:
      .mount("cannot use '\(path)' as mount point: \(errno)")
    }
  }

  /// Takes the mount away at once; what is still open in it keeps working until it is closed.
  static func detach(_ path: String) throws(StartupFailure) {
    if geteuid() == 0, umount2(path, Int32(MNT_DETACH)) == 0 { return }
    let arguments = ["fusermount3", "-u", "-z", "--", path]
    let error = Subprocess.run(arguments)
    guard error == nil else {
      throw .mount("cannot unmount '\(path)': \(error ?? "")")
    }
  }
}
