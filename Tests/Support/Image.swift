import Foundation
import SystemPackage

/// An ext2, ext3 or ext4 file system in a file.
public struct Image: Sendable {
  public let path: FilePath

  /// An image that is there already.
  public init(existing path: FilePath) {
    self.path = path
  }

  /// Makes one with mke2fs(8).
  /// - Parameters:
  ///   - size: as mke2fs takes it ("64M").
  ///   - type: "ext2", "ext3" or "ext4".
  ///   - features: what `-O` takes, such as "^has_journal".
  ///   - blockSize: in bytes; without it 4096, whatever the size (mke2fs's own choice is 1024 below
  ///     512 MiB).
  ///   - tree: a directory to copy in.
  ///   - owner: whose file it becomes.
  public init(
    at path: FilePath, size: String = "64M", type: String = "ext4", features: [String] = [],
    blockSize: Int = 4096, tree: FilePath? = nil, options: [String] = [], owner: TestUser? = nil
  ) throws {
    self.path = path
    var command = ["mke2fs", "-q", "-F", "-t", type, "-b", String(blockSize)]
    if !features.isEmpty { command += ["-O", features.joined(separator: ",")] }
    if let tree { command += ["-d", tree.string] }
    try Command(command + options + [path.string, size]).succeed()
    if let owner { try Syscall.lchown(path, user: owner.uid, group: owner.gid) }
  }

  /// Throws unless `e2fsck -fn` exits with 0 and says nothing but its five passes and the summary.
  /// That an extent tree could be smaller is an offer to optimize, which the kernel's trees get, too.
  /// - Parameter journal: its journal's device, if that is another.
  public func check(offset: Int = 0, journal: FilePath? = nil) throws {
    let source = offset == 0 ? path.string : "\(path)?offset=\(offset)"
    let options = journal.map { ["-j", $0.string] } ?? []
    let result = try Command(["e2fsck", "-fn"] + options + [source], timeout: 300).run()
    let silent = result.lines.allSatisfy {
      $0.hasPrefix("Pass ") || $0.wholeMatch(of: /.*: \d+\/\d+ files .*\d+\/\d+ blocks/) != nil
        || $0.wholeMatch(of: /Inode \d+ extent tree .* could be .*\.  Optimize\? no/) != nil
    }
    guard result.succeeded && silent else { throw Failure(result.description) }
  }

  /// What debugfs(8) answers to a command.
  @discardableResult
  public func debugfs(_ request: String, write: Bool = false) throws -> String {
    let command = ["debugfs"] + (write ? ["-w"] : []) + ["-R", request, path.string]
    return try Command(command).succeed().output
  }

  /// A field of the superblock as dumpe2fs(8) shows it, such as "Filesystem state".
  public func superblock(_ field: String) throws -> String {
    let lines = try Command(["dumpe2fs", "-h", path.string]).succeed().lines
    guard let line = lines.first(where: { $0.hasPrefix(field + ":") }) else {
      throw Failure("dumpe2fs shows no \(field) of \(path)")
    }
    return line.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces)
  }
}
