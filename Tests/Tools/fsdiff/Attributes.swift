import Glibc

/// What stat(2) says and two file systems must agree on.
struct Attributes: Equatable, CustomStringConvertible {
  /// Times this near to now, in seconds, are the clock's and not compared.
  private static let clockWindow = 30 * 86_400

  var mode: mode_t
  var user: uid_t
  var group: gid_t
  var links: UInt64
  var device: dev_t
  /// Not of directories: how they grow is the file system's choice.
  var size: Int?
  /// Only those that were set: what the clock gave differs by the moment.
  var accessed: String?
  var modified: String?

  init(_ status: stat) {
    mode = status.st_mode
    user = status.st_uid
    group = status.st_gid
    links = UInt64(status.st_nlink)
    device = status.st_rdev
    size = status.st_mode & S_IFMT == S_IFDIR ? nil : Int(status.st_size)
    accessed = Self.explicit(status.st_atim)
    modified = Self.explicit(status.st_mtim)
  }

  private static func explicit(_ time: timespec) -> String? {
    let now = Glibc.time(nil)
    return abs(time.tv_sec - now) < clockWindow ? nil : "\(time.tv_sec) s \(time.tv_nsec) ns"
  }

  var description: String {
    let none = "(clock)"
    return "mode \(String(mode, radix: 8)) owner \(user):\(group) links \(links) device \(device) "
      + "size \(size.map(String.init) ?? "-") atime \(accessed ?? none) mtime \(modified ?? none)"
  }
}
