import Glibc

/// How a child process ended.
enum ChildStatus: Equatable {
  case exited(Int32)
  case signaled(Int32)

  /// Waits for the child's end; nil if there is no such child.
  static func wait(for child: pid_t) -> ChildStatus? {
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { return nil }
    }
    // The layout behind WIFEXITED and WEXITSTATUS, which are macros that Swift cannot import.
    let signal = status & 0x7f
    return signal == 0 ? .exited(status >> 8 & 0xff) : .signaled(signal)
  }
}
