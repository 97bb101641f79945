import Foundation
import SystemPackage

/// The daemon under test: its binary and its processes.
public enum Daemon {
  /// FUSE4FS_BINARY, or the binary beside the test bundle. A copy, where every user can run it.
  public static let binary = Result<FilePath, any Error> {
    let environment = ProcessInfo.processInfo.environment
    let built = try tool("fuse4fs")
    let original = environment["FUSE4FS_BINARY"].map { FilePath($0) } ?? built
    try Command(["install", "-d", "-m", "0755", directory.string]).succeed()
    atexit { try? FileManager.default.removeItem(atPath: Daemon.directory.string) }
    let copy = directory.appending("fuse4fs")
    try Command(["install", "-m", "0755", original.string, copy.string]).succeed()
    return copy
  }

  /// Where the copy is.
  public static let directory = Scratch.root.appending("fuse4fs-bin-\(getpid())")

  /// A program built together with the tests.
  public static func tool(_ name: String) throws -> FilePath {
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return FilePath(tests).removingLastComponent().appending(name)
  }

  /// The processes that serve a mount point.
  public static func processes(at point: FilePath) -> [pid_t] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.compactMap { pid_t($0) }.filter { process in
      guard let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else {
        return false
      }
      let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      // Not the timeout(1) and setpriv(1) of a command that is on its way to it.
      return words.first?.hasSuffix("/fuse4fs") == true && words.contains(point.string)
    }
  }

  public static func kill(at point: FilePath, signal: CInt = SIGKILL) {
    for process in processes(at: point) { _ = Foundation.kill(process, signal) }
  }
}
