import Glibc
import SystemPackage

/// `mount -o remount,...`: the kernel changes what it does by itself for any file system. It does not tell the daemon, which goes on as it
/// was started.
enum Remount {
  /// What mount(8) does not say stays as it is, where it matters for security.
  static func takeOver(from mountpoint: String, into options: inout MountOptions) {
    var status = statvfs()
    guard statvfs(mountpoint, &status) == 0 else { return }
    if status.f_flag & UInt(MS_NODEV) == 0 { options.deviceNodes.grant() }
    if status.f_flag & UInt(MS_NOSUID) == 0 { options.setUserID.grant() }
  }

  static func run(_ options: MountOptions) throws(StartupFailure) {
    guard MountTable.current().entry(at: options.mountpoint) != nil else {
      throw .mount("cannot remount '\(options.mountpoint)': nothing is mounted there")
    }
    guard mount("none", options.mountpoint, nil, flags(of: options), nil) == 0 else {
      throw .mount("cannot remount '\(options.mountpoint)': \(Errno.last)")
    }
    if options.readOnly { synchronize(options.mountpoint) }
  }

  /// The kernel has written its cache to the daemon, but says only to some mounts that all is to be on disk now. A directory's fsync
  /// reaches every daemon.
  private static func synchronize(_ mountpoint: String) {
    let directory = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  /// MS_* (include/uapi/linux/mount.h).
  private static func flags(of options: MountOptions) -> UInt {
    var flags = UInt(MS_REMOUNT)
    func add(_ flag: some BinaryInteger, if condition: Bool) {
      if condition { flags |= UInt(flag) }
    }
    add(MS_RDONLY, if: options.readOnly)
    add(MS_NOSUID, if: !options.setUserID.isGranted)
    add(MS_NODEV, if: !options.deviceNodes.isGranted)
    add(MS_NOEXEC, if: options.noexec)
    add(MS_SYNCHRONOUS, if: options.synchronous)
    add(MS_DIRSYNC, if: options.dirsync)
    add(MS_NODIRATIME, if: !options.directoryAtime)
    switch options.atime {
    case .noatime: add(MS_NOATIME, if: true)
    case .relatime: add(MS_RELATIME, if: true)
    case .strictatime: add(MS_STRICTATIME, if: true)
    }
    return flags
  }
}
