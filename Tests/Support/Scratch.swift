import Foundation
import SystemPackage

/// A directory of its own for one test, gone with everything mounted below it when the test ends.
///
/// All users may enter it; it belongs to `owner`, or to the user who runs the tests.
public struct Scratch: Sendable {
  public let path: FilePath

  /// Where all of them are: FUSE4FS_TEST_DIRECTORY, or the temporary directory.
  public static let root: FilePath = {
    let set = ProcessInfo.processInfo.environment["FUSE4FS_TEST_DIRECTORY"]
    return FilePath(set ?? FileManager.default.temporaryDirectory.path)
  }()

  public static func with<R>(owner: TestUser? = nil, _ body: (Scratch) throws -> R) throws -> R {
    let scratch = try Scratch(owner: owner)
    defer { scratch.remove() }
    return try body(scratch)
  }

  private init(owner: TestUser?) throws {
    path = Scratch.root.appending("fuse4fs-\(UUID().uuidString.prefix(8))")
    try Syscall.mkdir(path, mode: 0o755)
    try Syscall.chmod(path, mode: 0o755)
    if let owner { try Syscall.lchown(path, user: owner.uid, group: owner.gid) }
  }

  public func appending(_ name: String) -> FilePath { path.appending(name) }

  /// A new directory in this one, of the same owner.
  public func directory(_ name: String) throws -> FilePath {
    let made = path.appending(name)
    try Syscall.mkdir(made, mode: 0o755)
    let owner = try Syscall.stat(path)
    try Syscall.lchown(made, user: owner.st_uid, group: owner.st_gid)
    return made
  }

  private func remove() {
    for point in MountTable.points(below: path).reversed() {
      _ = try? Command(["umount", "--lazy", point]).run()
    }
    _ = try? Command(["rm", "-rf", "--one-file-system", path.string], timeout: 120).run()
  }
}
