import CFuse3
import Glibc

/// The daemon's side of the promise that the command ends when the mount is usable.
struct Readiness: Sendable {
  /// The pipe to the process that waits; nil in the foreground.
  private let parent: Int32?
  /// To be opened before the daemon cannot open files any more.
  private let null: Int32
  /// The service manager, which the daemon tells as well; nil outside of a unit of systemd(1).
  var manager: ServiceManager?

  init(parent: Int32?) {
    self.parent = parent
    null = parent == nil ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC)
  }

  /// Lets the command end, and leaves its terminal and working directory. To be called once, when
  /// the mount answers. Relative paths mean something else from here on.
  func ready() {
    manager?.ready()
    guard let parent else { return }
    _ = chdir("/")
    if null >= 0 {
      for descriptor in STDIN_FILENO...STDERR_FILENO {
        dup2(null, descriptor)
      }
      close(null)
    }
    // Before the parent ends, or its end would be ours.
    _ = cfuse_set_parent_death_signal(0)
    var success = UInt8(ExitCode.success.rawValue)
    while write(parent, &success, 1) < 0 && errno == EINTR {}
    close(parent)
  }

  /// Ends the daemon. Before `ready`, its code becomes the command's.
  func exit(_ code: ExitCode) -> Never {
    Glibc.exit(code.rawValue)
  }
}
