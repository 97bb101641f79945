import CLinux
import Glibc
import SystemPackage
import TestSupport

/// e2fsck(8), thousands of times: without what `Command` does for comfort.
enum FileSystemCheck {
  struct Result {
    var status: Int
    var output: String
  }

  /// What `e2fsck -fn` objects to; nil when it has nothing to say.
  static func complaint(about disk: MappedDisk) throws -> String? {
    let result = try run("-fn", disk)
    let silent = result.output.split(separator: "\n").allSatisfy(isHarmless)
    return result.status == 0 && silent
      ? nil : "e2fsck -fn: exit \(result.status)\n\(result.output)"
  }

  private static func isHarmless(_ line: Substring) -> Bool {
    line.hasPrefix("Pass ") || line.hasPrefix("e2fsck 1.")
      || line.contains(" files (") && line.hasSuffix(" blocks")
      || line.hasPrefix("Inode ") && line.contains(" extent tree ") && line.contains(" could be ")
  }

  /// Has e2fsck replay the journal and finish deletions, and returns what else it had to do; nil for nothing.
  static func flawInReplay(of disk: MappedDisk) throws -> String? {
    let result = try run("-fy", disk)
    let silent = result.output.split(separator: "\n").allSatisfy { line in
      isHarmless(line)
        || [
          "recovering journal", "MODIFIED", "Clearing orphaned inode", "Truncating orphaned inode",
        ]
        .contains { line.contains($0) }
    }
    return result.status <= 1 && silent
      ? nil : "e2fsck -fy: exit \(result.status)\n\(result.output)"
  }

  private static func run(_ option: String, _ disk: MappedDisk) throws -> Result {
    guard let journal = disk.journalCopy else { return try run([option, disk.path.string]) }
    disk.copyJournalOut()
    defer { disk.copyJournalBack() }
    return try run([option, "-j", journal.path.string, disk.path.string])
  }

  private static func run(_ arguments: [String]) throws -> Result {
    var pipes: [CInt] = [0, 0]
    guard clinux_pipe(&pipes) == 0 else { throw Errno(rawValue: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO)
    var argv = (["timeout", "60", "e2fsck"] + arguments).map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process = pid_t()
    let code = posix_spawnp(&process, "timeout", &actions, nil, argv, environ)
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
    return Result(
      status: Int(signal == 0 ? (status >> 8) & 0xff : 128 + signal),
      output: String(decoding: output, as: UTF8.self))
  }
}
