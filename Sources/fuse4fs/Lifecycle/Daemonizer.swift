import CFuse3
import Glibc
import SystemPackage

/// Leaves the terminal without leaving its user in doubt: the command that was typed ends when the
/// mount is usable, or with the exit code of the daemon that could not make it so.
enum Daemonizer {
  /// Forks, unless the daemon is to stay in the foreground, and returns in the daemon only.
  ///
  /// To be called before there is a second thread and before anything is opened that must not be
  /// shared: a child of `fork` has only the calling thread.
  static func start(foreground: Bool) throws(StartupFailure) -> Readiness {
    try holdStandardDescriptors()
    if foreground { return Readiness(parent: nil) }

    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system("make a pipe", .last) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let starter = getpid()
    let child = cfuse_fork()
    if child < 0 { throw .system("start the daemon", .last) }
    if child > 0 {
      close(ends[1])
      awaitReadiness(of: child, pipe: ends[0])
    }

    close(ends[0])
    // A user who interrupts the command before the mount is usable wants no mount.
    _ = cfuse_set_parent_death_signal(SIGTERM)
    guard getppid() == starter else { _exit(ExitCode.mountFailure.rawValue) }
    setsid()
    return Readiness(parent: ends[1])
  }

  /// The descriptors 0 to 2 must not become the image's: they are about to be redirected.
  private static func holdStandardDescriptors() throws(StartupFailure) {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
      guard open("/dev/null", O_RDWR) == descriptor else {
        throw .system("open /dev/null", .last)
      }
    }
  }

  /// What the typed command does: waits for the daemon's word, or its end.
  private static func awaitReadiness(of child: pid_t, pipe: Int32) -> Never {
    var code: UInt8 = 0
    var count = 0
    repeat { count = read(pipe, &code, 1) } while count < 0 && errno == EINTR
    if count == 1 { _exit(Int32(code)) }

    switch ChildStatus.wait(for: child) {
    case .exited(ExitCode.success.rawValue):
      Console.error("the daemon ended before the mount was usable")
    case .exited(let code):
      _exit(code)
    case .signaled(let signal):
      Console.error("the daemon was ended by signal \(signal) before the mount was usable")
    case nil:
      Console.error("the daemon was lost before the mount was usable")
    }
    _exit(ExitCode.mountFailure.rawValue)
  }
}
