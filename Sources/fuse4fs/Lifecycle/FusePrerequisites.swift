import Glibc
import SystemPackage

/// What an unprivileged mount needs of the system. fusermount3 checks it, too, in fewer words.
enum FusePrerequisites {
  static func check(for options: MountOptions) throws(StartupFailure) {
    try checkDevice()
    try checkAllowOther(options)
  }

  private static func checkDevice() throws(StartupFailure) {
    guard access("/dev/fuse", R_OK | W_OK) != 0 else { return }
    switch Errno.last {
    case .noSuchFileOrDirectory:
      throw .mount("there is no /dev/fuse; load the kernel's module: modprobe fuse")
    case let error:
      throw .mount(
        "cannot open /dev/fuse: \(error); an administrator can allow it: chmod 0666 /dev/fuse")
    }
  }

  private static func checkAllowOther(_ options: MountOptions) throws(StartupFailure) {
    guard options.allowOther || options.allowRoot, geteuid() != 0,
      let configuration = SystemFile.contents("/etc/fuse.conf"),
      !configuration.split(separator: "\n").contains("user_allow_other")
    else { return }
    throw .mount(
      "only root may use '\(options.allowOther ? "allow_other" : "allow_root")' here; for users, "
        + "an administrator can put the line 'user_allow_other' into /etc/fuse.conf")
  }
}
