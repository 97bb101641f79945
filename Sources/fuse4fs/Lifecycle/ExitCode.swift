/// The exit codes of mount(8) that apply here.
enum ExitCode: Int32, Sendable {
  case success = 0
  /// The command line is wrong.
  case usage = 1
  /// The system has no more processes, memory, or the like.
  case system = 2
  /// The file system cannot be mounted.
  case mountFailure = 32
}
