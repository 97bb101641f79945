import Foundation
import SystemPackage

/// A program run to its end, its output collected.
///
/// It runs under timeout(1), so that no test waits for ever. The output goes to files, not pipes: a
/// daemon that the program leaves behind does not keep the caller waiting.
public struct Command: Sendable {
  public var arguments: [String]
  /// The user who runs it: setpriv(1) drops everything that root has. Nil: the user who runs the tests.
  public var user: TestUser?
  /// In seconds.
  public var timeout: Int
  public var directory: FilePath?
  /// NAME=VALUE, in addition to the environment of the tests.
  public var environment: [String]

  public init(
    _ arguments: [String], as user: TestUser? = nil, timeout: Int = 60,
    in directory: FilePath? = nil,
    environment: [String] = []
  ) {
    self.arguments = arguments
    self.user = user
    self.timeout = timeout
    self.directory = directory
    self.environment = environment
  }

  /// A script for sh(1), which stops at the first failure.
  public init(
    shell script: String, as user: TestUser? = nil, timeout: Int = 60, in directory: FilePath? = nil
  ) {
    self.init(["sh", "-euc", script], as: user, timeout: timeout, in: directory)
  }

  public struct Result: Sendable {
    public let command: String
    /// The exit code; 124 and 137 after a timeout, 128 + n after signal n.
    public let status: Int
    public let output: String
    public let errors: String

    public var succeeded: Bool { status == 0 }
    public var lines: [String] { output.split(separator: "\n").map(String.init) }
    /// The output without its last newline.
    public var text: String { output.trimmingCharacters(in: .newlines) }
    public var description: String {
      "\(command): exit \(status)\(status == 124 || status == 137 ? " (timed out)" : "")\n"
        + "\(output)\(errors)"
    }
  }

  /// Runs it and returns what it did, success or not.
  public func run() throws -> Result {
    let work = FileManager.default.temporaryDirectory
    let name = UUID().uuidString
    let output = work.appendingPathComponent("\(name).out")
    let errors = work.appendingPathComponent("\(name).err")
    defer {
      try? FileManager.default.removeItem(at: output)
      try? FileManager.default.removeItem(at: errors)
    }
    let process = try spawn(output: output.path, errors: errors.path)
    var status: CInt = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw Errno(rawValue: errno) }
    }
    let signal = status & 0x7f
    return Result(
      command: arguments.joined(separator: " "),
      status: Int(signal == 0 ? (status >> 8) & 0xff : 128 + signal),
      output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
  }

  /// Runs it and throws unless it exits with 0.
  @discardableResult
  public func succeed() throws -> Result {
    let result = try run()
    guard result.succeeded else { throw Failure(result.description) }
    return result
  }

  private var wrapped: [String] {
    var command = ["timeout", "--kill-after=5", String(timeout)]
    if let user {
      command += [
        "setpriv", "--reuid=\(user.uid)", "--regid=\(user.gid)", "--clear-groups",
        "--inh-caps=-all",
      ]
    }
    command += ["env", "--unset=SWIFT_DETERMINISTIC_HASHING"]
    if let directory { command.append("--chdir=\(directory)") }
    if let user {
      command += ["HOME=\(user.home)", "USER=\(user.name)", "LOGNAME=\(user.name)"]
    }
    return command + ["LC_ALL=C.UTF-8"] + environment + arguments
  }

  private func spawn(output: String, errors: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let create = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, create, 0o600)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, create, 0o600)
    var argv = wrapped.map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process = pid_t()
    // The calling thread may be one on which no signal arrives, and a command would inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let code = posix_spawnp(&process, "timeout", &actions, &attributes, argv, environ)
    guard code == 0 else { throw Errno(rawValue: code) }
    return process
  }
}
