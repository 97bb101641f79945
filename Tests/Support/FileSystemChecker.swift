import CLinux
import Glibc
import SystemPackage

/// e2fsck(8), thousands of times: without what `Command` does for comfort.
public enum FileSystemChecker {
  public struct Result: Sendable {
    /// As a shell has it: 128 and the number of the signal that ended the process.
    public var status: Int
    public var output: String
    /// It did not come to an end by itself, and was killed.
    public var isTimedOut: Bool { status == 128 + Int(SIGKILL) }

    /// What e2fsck says beside its usual report, and beside the lines that `isExpected` accepts.
    public func objections(but isExpected: (Substring) -> Bool = { _ in false }) -> [Substring] {
      output.split(separator: "\n").filter { !Self.isUsual($0) && !isExpected($0) }
    }

    private static func isUsual(_ line: Substring) -> Bool {
      line.hasPrefix("Pass ") || line.hasPrefix("e2fsck 1.")
        || line.contains(" files (") && line.hasSuffix(" blocks")
        || line.hasPrefix("Inode ") && line.contains(" extent tree ")
          && line.contains(" could be ")
    }
  }

  /// Runs e2fsck with `arguments`, for `seconds` at most. SIGTERM would not end it everywhere: e2fsck only notes that it came, and looks at
  /// the note between its steps.
  public static func run(_ arguments: [String], seconds: Int = 60) throws -> Result {
    var pipes: [CInt] = [0, 0]
    guard clinux_pipe(&pipes) == 0 else { throw Errno(rawValue: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO)
    var argv = (["timeout", "--signal=KILL", "\(seconds)", "e2fsck"] + arguments).map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process = pid_t()
    let code = posix_spawnp(&process, "timeout", &actions, nil, argv, environ)
    close(pipes[1])
    defer { close(pipes[0]) }
    guard code == 0 else { throw Errno(rawValue: code) }
    let output = readAll(pipes[0])
    var status: CInt = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw Errno(rawValue: errno) }
    }
    let signal = status & 0x7f
    return Result(
      status: Int(signal == 0 ? (status >> 8) & 0xff : 128 + signal), output: output)
  }

  private static func readAll(_ descriptor: CInt) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
