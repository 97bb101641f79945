import SystemPackage

/// What /proc says of a thread (proc_pid_status(5)).
public struct ThreadStatus {
  private let text: String

  /// Nil for no thread, and for one that is gone or not to be seen.
  public init?(of thread: Int32) {
    guard thread > 0,
      let file = try? FileDescriptor.open(
        FilePath("/proc/\(thread)/status"), .readOnly, options: .closeOnExec),
      let text = try? file.closeAfter({ try Self.contents(of: file) })
    else { return nil }
    self.text = text
  }

  /// All of it: the line of groups, of which there may be thousands, comes before that of capabilities.
  private static func contents(of file: FileDescriptor) throws -> String {
    var bytes: [UInt8] = []
    try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { piece in
      while case let count = try file.read(into: piece), count > 0 {
        bytes.append(contentsOf: piece[..<count])
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The values on the line of a field, such as "Uid"; none where there is no such line.
  public func values(of field: String) -> ArraySlice<Substring> {
    let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") } ?? ""
    return line.split { $0 == "\t" || $0 == " " }.dropFirst()
  }

  /// Whether a supplementary group of the thread is `group`.
  ///
  /// Not by libfuse's fuse_req_getgroups, which searches what it has read for words beyond its end (as of 3.14).
  public func isMember(of group: UInt32) -> Bool {
    values(of: "Groups").contains { UInt32($0) == group }
  }
}
