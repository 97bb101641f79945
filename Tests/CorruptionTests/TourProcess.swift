import CLinux
import Corruption
import Foundation
import Glibc
import SystemPackage
import TestSupport

/// A process that tours cases, so that one that it does not survive is known.
final class TourProcess {
  /// What became of a case.
  enum Outcome {
    /// The mutation changed nothing.
    case same
    case toured(Result)
    /// The process ended, or did not come back.
    case died(String)
  }

  struct Result {
    var isMounted: Bool
    var damage: Int
    /// In microseconds.
    var slowest: Int
    var slowestCall: String
    /// In KiB.
    var peak: Int
    /// What e2fsck said before; nil if it was not asked, or gave no verdict.
    var wasClean: Bool?
    /// E2fsck was asked before, and did not come to an end.
    var isUnjudged: Bool
    /// E2fsck called it clean before, the tour did not, and afterwards neither does.
    var isDisputed: Bool
    var violation: String?
    /// The last damage, or why it was not mounted.
    var remark: String
  }

  /// Seconds that a whole tour, with what e2fsck is given for it, may take before it counts as hanging, on a machine under load.
  private static let patience: CInt = 60

  private var process: pid_t = 0
  private var requests: CInt = -1
  private var answers: CInt = -1
  private var received: [UInt8] = []

  deinit { stop() }

  func tour(_ number: Int, _ course: Tour.Course, checks: Bool) throws -> Outcome {
    if process == 0 { try start() }
    let line = Array("\(number) \(course.rawValue) \(checks ? 1 : 0)\n".utf8)
    guard write(requests, line, line.count) == line.count, let answer = try readAnswer() else {
      let end = stop()
      return .died(end)
    }
    return Self.parse(answer)
  }

  private static func parse(_ answer: String) -> Outcome {
    if answer == "same" { return .same }
    let parts = answer.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
    let words = parts[0].split(separator: " ")
    guard parts.count == 3, words.count == 6, let damage = Int(words[1]),
      let slowest = Int(words[2]), let peak = Int(words[3])
    else { return .died("an answer that makes no sense: \(answer)") }
    return .toured(
      Result(
        isMounted: words[0] == "mounted", damage: damage, slowest: slowest,
        slowestCall: String(words[5]), peak: peak,
        wasClean: ["unchecked", "unjudged"].contains(words[4]) ? nil : words[4] != "unclean",
        isUnjudged: words[4] == "unjudged",
        isDisputed: words[4] == "disputed",
        violation: parts[1].isEmpty ? nil : String(parts[1]), remark: String(parts[2])))
  }

  private func start() throws {
    var down: [CInt] = [0, 0]
    var up: [CInt] = [0, 0]
    guard clinux_pipe(&down) == 0, clinux_pipe(&up) == 0 else { throw Errno(rawValue: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO)
    // What may be asked for at most, however large: the peak of what is used is judged by itself.
    let limits = Sanitizer.isOn ? [] : ["--as=4294967296"]
    let arguments =
      ["env", "SWIFT_BACKTRACE=enable=no", "prlimit", "--core=0"] + limits
      + [try Daemon.tool("tour").string, "serve"]
    var argv = arguments.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    let code = posix_spawnp(&process, arguments[0], &actions, nil, argv, environ)
    close(down[0])
    close(up[1])
    guard code == 0 else { throw Errno(rawValue: code) }
    requests = down[1]
    answers = up[0]
    received.removeAll()
  }

  /// The next line; nil if the process ends or does not come back.
  private func readAnswer() throws -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      if let end = received.firstIndex(of: 0x0A) {
        defer { received.removeSubrange(...end) }
        return String(decoding: received[..<end], as: UTF8.self)
      }
      var file = pollfd(fd: answers, events: Int16(POLLIN), revents: 0)
      let ready = poll(&file, 1, Self.patience * 1000)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else { return nil }
      let count = read(answers, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return nil }
      received += buffer[..<count]
    }
  }

  /// Ends it, and says how it had ended.
  @discardableResult
  private func stop() -> String {
    guard process != 0 else { return "" }
    close(requests)
    close(answers)
    // One that is ending by itself has a moment for it.
    var status: CInt = 0
    var ended: pid_t = 0
    for _ in 0..<200 where ended == 0 {
      ended = waitpid(process, &status, WNOHANG)
      if ended == 0 { usleep(10_000) }
    }
    var isHanging = false
    if ended == 0 {
      isHanging = true
      kill(process, SIGKILL)
      while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }
    process = 0
    if isHanging { return "it hangs" }
    let signal = status & 0x7f
    return signal == 0 ? "it exits with \((status >> 8) & 0xff)" : "signal \(signal)"
  }
}
