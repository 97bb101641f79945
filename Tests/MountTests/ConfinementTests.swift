import Foundation
import SystemPackage
import TestSupport
import Testing

/// What a confined process cannot do, and what it still can, by trying: `Tests/Tools/confined` confines itself as the daemon does.
@Suite struct ConfinementTests {
  private static let all = [
    "descriptors", "privileges", "landlock", "capabilities", "coreFiles", "seccomp",
  ]

  /// The error of each try; nil where it succeeded.
  private func results(
    _ parts: [String], as user: TestUser? = nil
  ) throws -> [String: Errno?] {
    try Scratch.with(owner: user) { scratch in
      let tool = try Daemon.tool("confined")
      let copy = scratch.appending("confined")
      try Command(["install", "-m", "0755", tool.string, copy.string]).succeed()
      let directory = try scratch.directory("directory")
      let script = "head -c 8192 /dev/zero > file; touch other one; chown \(user?.uid ?? 0) *"
      try Command(shell: script, in: directory).succeed()
      let libraries = "LD_LIBRARY_PATH=\(try libraryPath())"
      let run = try Command(
        [copy.string, directory.string] + parts, as: user, environment: [libraries]
      ).succeed()
      #expect(run.lines.first == "missing ", "\(run.description)")
      let pairs = run.lines.dropFirst().map { line in
        let words = line.split(separator: " ").map(String.init)
        return (words[0], Int32(words[1]).map { Errno(rawValue: $0) })
      }
      let results = Dictionary(uniqueKeysWithValues: pairs)
      for (name, error) in results where name.hasPrefix("needed-") {
        #expect(error == nil, "\(name) with \(parts)")
      }
      return results
    }
  }

  /// Where the tests find Swift's libraries.
  private func libraryPath() throws -> String {
    let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
    let line = maps.split(separator: "\n").first { $0.hasSuffix("/libswiftCore.so") }
    guard let path = line?.split(separator: " ").last else { return "" }
    return FilePath(String(path)).removingLastComponent().string
  }

  private func expect(
    _ results: [String: Errno?], _ names: [String], _ errors: Set<Errno>
  ) throws {
    for name in names {
      let error = try #require(results[name], "\(name) was not tried")
      #expect(error.map(errors.contains) == true, "\(name): \(error as Any)")
    }
  }

  @Test(.enabled(if: geteuid() == 0), arguments: [false, true])
  func whatTheDaemonCannotDo(isRoot: Bool) throws {
    let results = try results(Self.all, as: isRoot ? nil : try TestUser.mounter.get())
    try expect(
      results,
      ["open-file", "open-program", "create-file", "read-file-there", "list-elsewhere"],
      [.permissionDenied])
    try expect(
      results, ["write-proc", "reopen", "read-parent", "environment-of-parent"],
      [.permissionDenied, .notPermitted])
    try expect(results, ["use-inherited"], [.badFileDescriptor])
    try expect(
      results,
      [
        "unlink", "rename", "chmod", "signal-parent", "signal-thread-of-parent", "trace-parent",
        "fork", "execute", "set-user", "new-namespaces", "internet-socket", "connect", "unmount",
        "clock", "host-name", "modules", "bpf", "keys", "handles", "io-uring", "terminal-input",
        "executable-memory", "local-socket", "listen", "accept-elsewhere", "connect-again",
        "socket-option",
        "io-uring-enter", "io-uring-enable", "io-uring-register", "processor",
        "processor-of-parent",
      ], [.noFunction])
  }

  /// Where requests come over io_uring: what uses rings gets through, and fails for want of one.
  @Test(.enabled(if: geteuid() == 0)) func whatRingsTake() throws {
    let results = try results(Self.all + ["rings"])
    try expect(
      results, ["io-uring-enter", "io-uring-enable"], [.badFileDescriptor, .invalidArgument])
    try expect(results, ["processor"], [.invalidArgument])
    try expect(
      results, ["io-uring", "io-uring-register", "processor-of-parent", "unmount"], [.noFunction])
  }

  /// For kernels and calls that get past the filter.
  @Test(.enabled(if: geteuid() == 0)) func whatLandlockKeepsFromIt() throws {
    let results = try results(["privileges", "landlock"])
    try expect(
      results,
      [
        "open-file", "open-program", "create-file", "read-file-there", "list-elsewhere",
        "write-proc", "connect",
      ], [.permissionDenied])
    try expect(
      results, ["signal-parent", "signal-thread-of-parent", "trace-parent"],
      [.notPermitted])
    try expect(
      results, ["read-parent", "reopen"],
      [.permissionDenied, .notPermitted])
  }

  /// Root without capabilities may not do what root may.
  @Test(.enabled(if: geteuid() == 0)) func whatCapabilitiesKeepFromIt() throws {
    let results = try results(["capabilities"])
    try expect(
      results,
      ["new-namespaces", "host-name", "trace-parent", "read-parent", "environment-of-parent"],
      [.notPermitted, .permissionDenied])
  }

  /// Each try succeeds, or fails for another reason, in a process that has given up nothing: it is the confinement that is seen above.
  @Test(.enabled(if: geteuid() == 0)) func whatIsTriedCanBeDone() throws {
    let results = try results(["coreFiles"])
    for name in [
      "open-file", "open-program", "create-file", "read-file-there", "list-elsewhere", "write-proc",
      "reopen", "unlink", "rename", "chmod", "use-inherited", "signal-parent",
      "signal-thread-of-parent", "read-parent", "environment-of-parent", "fork", "set-user",
      "new-namespaces", "internet-socket", "executable-memory", "local-socket", "listen",
      "accept-elsewhere", "socket-option",
    ] {
      #expect(try #require(results[name], "\(name) was not tried") == nil, "\(name)")
    }
    try expect(results, ["connect"], [.connectionRefused])
    try expect(results, ["connect-again"], [.socketIsConnected])
    try expect(results, ["unmount"], [.noSuchFileOrDirectory])
  }
}
