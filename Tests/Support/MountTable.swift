import Foundation
import SystemPackage

/// What is mounted, as /proc/self/mounts tells it: a FUSE mount without allow_other cannot be examined by another user, not even by
/// root.
public struct MountTable {
  public struct Entry: Sendable {
    public let source: String
    public let point: String
    public let type: String
    public let options: [String]
  }

  public static func entries() -> [Entry] {
    let table = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
    return table.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ").map(unescaped)
      guard fields.count >= 4 else { return nil }
      return Entry(
        source: fields[0], point: fields[1], type: fields[2],
        options: fields[3].split(separator: ",").map(String.init))
    }
  }

  /// The entry on top at a mount point.
  public static func entry(at point: FilePath) -> Entry? {
    entries().last { $0.point == point.string }
  }

  /// Mount points in and below a directory, in the order they were mounted.
  static func points(below directory: FilePath) -> [String] {
    entries().map(\.point).filter {
      $0 == directory.string || $0.hasPrefix(directory.string + "/")
    }
  }

  /// proc(5) writes a blank as \040 and so on.
  private static func unescaped(_ field: Substring) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")].reduce(String(field)) {
      $0.replacingOccurrences(of: $1.0, with: $1.1)
    }
  }
}
