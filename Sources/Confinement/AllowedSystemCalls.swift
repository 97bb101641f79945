import CFuse3
import Glibc

/// What a file server that is set up asks the kernel for: reads and writes of what is open, memory, threads, time.
///
/// A daemon that was traced under work of all kinds uses half of it, and met a refusal for clone3 only; the rest is what other versions of the C
/// library use for the same. What opens files is among it, and left to Landlock.
enum AllowedSystemCalls {
  /// What an argument must be for the call to be allowed.
  struct Condition {
    enum Rule {
      case isNull
      /// Of the argument's lower half.
      case isOneOf([UInt32])
      /// All of these bits are set, or none.
      case has([UInt32])
      case hasNone(UInt32)
    }

    /// From 0 on.
    let argument: Int
    let rule: Rule
  }

  static var always: [Int32] { files + memory + threads + time + process + ofThisArchitecture }

  private static let files: [Int32] = [
    SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev,
    SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_syncfs,
    SYS_fallocate, SYS_ftruncate, SYS_fadvise64, SYS_openat, SYS_close, SYS_close_range, SYS_dup3,
    SYS_fcntl, SYS_flock, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs, SYS_faccessat,
    SYS_faccessat2, SYS_ppoll, SYS_chdir,
  ]
  private static let memory: [Int32] = [SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk]
  private static let threads: [Int32] = [
    SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_gettid, SYS_sched_yield, SYS_sched_getaffinity,
    SYS_getcpu, SYS_membarrier, SYS_exit, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_rt_sigtimedwait, SYS_sigaltstack,
  ]
  private static let time: [Int32] = [
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
    SYS_restart_syscall,
  ]
  private static let process: [Int32] = [
    SYS_getpid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_uname, SYS_sysinfo,
    SYS_getrandom, SYS_exit_group,
  ]

  /// The older forms, which newer architectures do without.
  private static var ofThisArchitecture: [Int32] {
    #if arch(x86_64)
      [SYS_poll, SYS_dup2, SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_time]
    #else
      []
    #endif
  }

  /// For rings that are there already (io_uring(7)): to use them, to enable them, and to run where their queue is. None can be made. By their numbers, which
  /// are the same on all architectures.
  static let ofRings: [(number: Int32, conditions: [Condition])] = [
    // io_uring_enter.
    (426, []),
    // io_uring_register: IORING_REGISTER_ENABLE_RINGS (include/uapi/linux/io_uring.h), by the thread that will use it.
    (427, [Condition(argument: 1, rule: .isOneOf([12]))]),
    // Of the calling thread.
    (SYS_sched_setaffinity, [Condition(argument: 0, rule: .isNull)]),
  ]

  /// - Parameter listener: the socket at which connections may be accepted; nil for none.
  static func conditional(
    _ listener: CInt?
  ) -> [(number: Int32, conditions: [Condition])] {
    let nothingExecutable = [Condition(argument: 2, rule: .hasNone(UInt32(PROT_EXEC)))]
    return [
      (SYS_mmap, nothingExecutable),
      (SYS_mprotect, nothingExecutable),
      // Threads, no processes, and no namespaces. CLONE_THREAD; CLONE_NEWNS, and CLONE_NEWCGROUP to CLONE_NEWNET. The newer clone3
      // has them in memory, where no filter sees them.
      (
        SYS_clone,
        [
          Condition(argument: 0, rule: .has([0x1_0000])),
          Condition(argument: 0, rule: .hasNone(0x7E02_0000)),
        ]
      ),
      (SYS_ioctl, [Condition(argument: 1, rule: .isOneOf(ioctls))]),
      (
        SYS_prctl,
        [
          Condition(
            argument: 0,
            rule: .isOneOf([UInt32(PR_SET_PDEATHSIG), UInt32(PR_SET_NAME), nameMemory]))
        ]
      ),
      // To this process.
      (SYS_tgkill, [Condition(argument: 0, rule: .isOneOf([UInt32(getpid())]))]),
      // Through a connected socket: syslog(3).
      (SYS_sendto, [Condition(argument: 4, rule: .isNull)]),
      // Its own limits, to look at.
      (
        SYS_prlimit64,
        [Condition(argument: 0, rule: .isOneOf([0])), Condition(argument: 2, rule: .isNull)]
      ),
    ] + (listener.map(accepting) ?? [])
  }

  /// Connections to one socket, and who is at the other side of them.
  private static func accepting(_ listener: CInt) -> [(number: Int32, conditions: [Condition])] {
    [
      (SYS_accept4, [Condition(argument: 0, rule: .isOneOf([UInt32(bitPattern: listener)]))]),
      (
        SYS_getsockopt,
        [
          Condition(argument: 1, rule: .isOneOf([UInt32(SOL_SOCKET)])),
          Condition(argument: 2, rule: .isOneOf([UInt32(SO_PEERCRED)])),
        ]
      ),
    ]
  }

  /// PR_SET_VMA: newer C libraries name what they allocate.
  private static let nameMemory: UInt32 = 0x5356_4D41

  /// Of block devices: BLKROGET, BLKFLSBUF, BLKSSZGET, BLKDISCARD, BLKZEROOUT, BLKGETSIZE64 (include/uapi/linux/fs.h).
  private static let ioctls: [UInt32] = [0x125E, 0x1261, 0x1268, 0x1277, 0x127F, 0x8008_1272]
}
