import CLinux
import Glibc
import SystemPackage
import TestSupport

/// e2fsck(8) on a disk, thousands of times.
public enum SoundnessCheck {
  /// What `e2fsck -fn` objects to; nil when it has nothing to say.
  public static func complaint(about disk: HostileDisk) throws -> String? {
    let (status, output) = try run(["timeout", "20", "e2fsck", "-fn", disk.path])
    let objections = output.split(separator: "\n").filter { !isHarmless($0) }
    guard status != 0 || !objections.isEmpty else { return nil }
    return "e2fsck -fn: exit \(status)\n\(objections.prefix(6).joined(separator: "\n"))"
  }

  private static func isHarmless(_ line: Substring) -> Bool {
    line.hasPrefix("Pass ") || line.hasPrefix("e2fsck 1.")
      || line.contains(" files (") && line.hasSuffix(" blocks")
      || line.hasPrefix("Inode ") && line.contains(" extent tree ") && line.contains(" could be ")
  }

  private static func run(_ arguments: [String]) throws -> (status: Int, output: String) {
    var pipes: [CInt] = [0, 0]
    guard clinux_pipe(&pipes) == 0 else { throw Errno(rawValue: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO)
    var argv = arguments.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process = pid_t()
    let code = posix_spawnp(&process, arguments[0], &actions, nil, argv, environ)
    close(pipes[1])
    defer { close(pipes[0]) }
    guard code == 0 else { throw Errno(rawValue: code) }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(pipes[0], &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      output += buffer[..<count]
    }
    var status: CInt = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw Errno(rawValue: errno) }
    }
    let signal = status & 0x7f
    return (
      Int(signal == 0 ? (status >> 8) & 0xff : 128 + signal),
      String(decoding: output, as: UTF8.self)
    )
  }
}
