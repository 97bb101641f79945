import CFuse3
import Glibc
import SystemPackage

/// Memory of this process in files, and in the hands of its user's other processes.
enum CoreFiles {
  /// No core file is written, and only root looks into this process (ptrace(2), /proc/PID/mem).
  static func forbid() -> Errno? {
    let resource = __rlimit_resource_t(RLIMIT_CORE.rawValue)
    var limit = rlimit()
    // A service manager may have set it, and keep the process from setting any.
    let isNone = getrlimit(resource, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    guard isNone || setrlimit(resource, &none) == 0,
      cfuse_process_control(PR_SET_DUMPABLE, 0, 0) == 0
    else { return Errno(rawValue: errno) }
    return nil
  }
}
