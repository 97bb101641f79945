/// What is mounted in this process's mount namespace, as /proc/self/mountinfo says (proc(5)).
struct MountTable {
  struct Entry: Equatable {
    /// Numbers that tell mounts apart for as long as they are there: this one's, and that of the one it is mounted in.
    let id: Int
    let parent: Int
    /// `major:minor` of the device, as sysfs writes it.
    let device: String
    let mountPoint: String
    /// With the subtype: `fuse.fuse4fs`.
    let type: String
    let source: String
    /// Whether no program can write to the file system, through this mount or another one.
    let isReadOnly: Bool
    /// The owner of the mount, where it is a FUSE mount.
    var userID: UInt32?
  }

  let entries: [Entry]

  /// Empty if /proc is not there.
  static func current() -> MountTable {
    MountTable(text: SystemFile.contents("/proc/self/mountinfo") ?? "")
  }

  init(text: String) {
    entries = text.split(separator: "\n").compactMap(Self.parse)
  }

  /// The mount that is visible at a path: the last one that was put there.
  func entry(at mountPoint: String) -> Entry? {
    entries.last { $0.mountPoint == mountPoint }
  }

  /// The mount that an open file is in; nil if /proc does not tell.
  static func mountID(ofDescriptor descriptor: Int32) -> Int? {
    let lines = SystemFile.contents("/proc/self/fdinfo/\(descriptor)")?.split(separator: "\n") ?? []
    return lines.lazy.compactMap { line in
      let fields = line.split { $0 == ":" || $0 == "\t" || $0 == " " }
      return fields.count == 2 && fields[0] == "mnt_id" ? Int(fields[1]) : nil
    }.first
  }

  /// `id parent device root mountpoint options [tag...] - type source superoptions`
  private static func parse(_ line: Substring) -> Entry? {
    let fields = line.split(separator: " ")
    guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3,
      let id = Int(fields[0]), let parent = Int(fields[1])
    else { return nil }
    let options = fields[dash + 3].split(separator: ",")
    return Entry(
      id: id, parent: parent,
      device: String(fields[2]),
      mountPoint: unescape(fields[4]),
      type: unescape(fields[dash + 1]),
      source: unescape(fields[dash + 2]),
      isReadOnly: options.contains("ro"),
      userID: options.first { $0.hasPrefix("user_id=") }.flatMap { UInt32($0.dropFirst(8)) })
  }

  /// Blanks and backslashes are written as `\` and three octal digits.
  private static func unescape(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = field.utf8[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
