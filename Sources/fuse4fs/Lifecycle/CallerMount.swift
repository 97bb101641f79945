import Glibc
import SystemPackage

/// A mount that the caller has made: the mount point is given as `/dev/fd/N`, and descriptor N is the open /dev/fuse with which the caller has
/// called mount(2). Where it is mounted, and with which options, only the caller knows, and the caller unmounts it.
struct CallerMount: Sendable {
  let descriptor: CInt

  /// As libfuse wants it.
  var path: String { "/dev/fd/\(descriptor)" }

  /// Nil where `mountpoint` is the name of a directory, which may be one that a descriptor has open.
  ///
  /// - Throws: a mount failure where it is a descriptor that cannot be served.
  init?(_ mountpoint: String) throws(StartupFailure) {
    guard let number = DescriptorPath.number(in: mountpoint) else { return nil }
    var status = stat()
    guard fstat(number, &status) == 0 else {
      throw .mount(
        "cannot serve '\(mountpoint)': descriptor \(number) is not open; open /dev/fuse, mount with it, and let "
          + "fuse4fs inherit it")
    }
    if status.st_mode & S_IFMT == S_IFDIR { return nil }
    guard status.st_mode & S_IFMT == S_IFCHR,
      FileIdentity.sysfsNumber(of: status.st_rdev) == Self.device
    else {
      throw .mount(
        "cannot serve '\(mountpoint)': descriptor \(number) is neither an open /dev/fuse nor a directory to mount on"
      )
    }
    guard Self.isConnected(number) else {
      throw .mount(
        "cannot serve '\(mountpoint)': nothing is mounted with that /dev/fuse, or it was unmounted; call mount(2) with "
          + "the option fd=\(number) before fuse4fs is started")
    }
    // The daemon's standard descriptors become /dev/null.
    descriptor = number > STDERR_FILENO ? number : fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
    guard descriptor >= 0 else { throw .system("duplicate descriptor \(number)", .last) }
  }

  /// `major:minor` of /dev/fuse (FUSE_MINOR in the kernel's include/linux/miscdevice.h).
  private static let device = "10:229"

  /// The kernel reports an error for a descriptor that belongs to no mount, or to one that has ended.
  private static func isConnected(_ descriptor: CInt) -> Bool {
    var file = pollfd(fd: descriptor, events: 0, revents: 0)
    return poll(&file, 1, 0) >= 0 && file.revents & Int16(POLLERR) == 0
  }
}
