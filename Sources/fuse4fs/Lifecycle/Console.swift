import Glibc

/// Messages to the person at the terminal, for as long as the daemon has one.
enum Console {
  /// What a command was asked to find out, on standard output.
  static func say(_ message: String) {
    let line = Array("\(message)\n".utf8)
    _ = Glibc.write(STDOUT_FILENO, line, line.count)
  }

  static func error(_ message: String) { write(message) }

  /// Something worth knowing that is no error.
  static func note(_ message: String) { write("note: \(message)") }

  static func log(_ line: String) { write(line) }

  static func report(_ failure: StartupFailure) {
    error(failure.message)
    if failure.code == .usage {
      error("see 'fuse4fs --help' for what can be given")
    }
  }

  /// One write for the whole message, so that those of several processes do not mix.
  private static func write(_ message: String) {
    let line = Array("fuse4fs: \(message)\n".utf8)
    _ = Glibc.write(STDERR_FILENO, line, line.count)
  }
}
