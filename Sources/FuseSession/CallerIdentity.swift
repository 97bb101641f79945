import Glibc
import SystemPackage

/// Whose a thread is, for requests that do not say: where mounts may have mapped ids, most of them (FUSE_INVALID_UIDGID).
enum CallerIdentity {
  private static let unknown = UInt32.max

  /// The ids of the request, or else those by which the thread accesses files; those of nobody where /proc tells nothing.
  static func of(_ thread: Int32, userID: UInt32, groupID: UInt32) -> (UInt32, UInt32) {
    guard userID == unknown, thread > 0, let status = status(of: thread) else {
      return (userID, groupID)
    }
    return (id("Uid:", in: status), id("Gid:", in: status))
  }

  private static func status(of thread: Int32) -> String? {
    guard
      let file = try? FileDescriptor.open(
        FilePath("/proc/\(thread)/status"), .readOnly, options: .closeOnExec)
    else { return nil }
    return try? file.closeAfter {
      try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { bytes in
        String(decoding: bytes[..<(try file.read(into: bytes))], as: UTF8.self)
      }
    }
  }

  /// Real, effective, saved and file system's (proc(5)): the last counts.
  private static func id(_ field: String, in status: String) -> UInt32 {
    let line = status.split(separator: "\n").first { $0.hasPrefix(field) }
    return line?.split(separator: "\t").last.flatMap { UInt32($0) } ?? unknown
  }
}
