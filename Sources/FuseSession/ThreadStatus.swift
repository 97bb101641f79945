import SystemPackage

/// What /proc says of a thread (proc_pid_status(5)).
struct ThreadStatus {
  private let text: String

  /// Nil for no thread, and for one that is gone or not to be seen.
  init?(of thread: Int32) {
    guard thread > 0,
      let file = try? FileDescriptor.open(
        FilePath("/proc/\(thread)/status"), .readOnly, options: .closeOnExec),
      let text = try? file.closeAfter({
        try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { bytes in
          String(decoding: bytes[..<(try file.read(into: bytes))], as: UTF8.self)
        }
      })
    else { return nil }
    self.text = text
  }

  /// The values on the line of a field, such as "Uid".
  func values(of field: String) -> [Substring] {
    let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") }
    return line.map { $0.split { $0 == "\t" || $0 == " " }.dropFirst() }.map(Array.init) ?? []
  }
}
