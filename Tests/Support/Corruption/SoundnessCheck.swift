import CLinux
import Glibc
import SystemPackage
import TestSupport

/// What e2fsck(8) says of a disk that was damaged on purpose.
public enum SoundnessCheck {
  public enum Verdict: Sendable {
    case clean
    case complaint(String)
    /// There are images of which e2fsck 1.47.0 never comes to an end.
    case unknown

    /// What there is to say against the disk; nil for nothing.
    public var objection: String? {
      switch self {
      case .clean: nil
      case .complaint(let text): text
      case .unknown: "e2fsck does not come to an end in \(limit) s"
      }
    }
  }

  /// Seconds.
  private static let limit = 5

  /// What `e2fsck -fn` says.
  public static func verdict(on disk: HostileDisk) throws -> Verdict {
    try verdict(onDiskAt: disk.path)
  }

  private static func verdict(onDiskAt path: String) throws -> Verdict {
    let result = try FileSystemChecker.run(["-fn", path], seconds: limit)
    if result.isTimedOut { return .unknown }
    let objections = result.objections()
    guard result.status != 0 || !objections.isEmpty else { return .clean }
    return .complaint(
      "e2fsck -fn: exit \(result.status)\n\(objections.prefix(6).joined(separator: "\n"))")
  }

  /// What is left when `e2fsck -p` has put right what it does by itself at boot: deleted files that are still on the orphan list are freed.
  /// Nil for nothing. The disk stays as it is.
  ///
  /// e2fsck works on a copy that begins with the file system: after it has replayed a journal, e2fsck 1.47.0 opens the disk again without the
  /// `offset=` that it was given.
  public static func complaintOfPreening(_ disk: HostileDisk) throws -> String? {
    let descriptor = clinux_memory_file()
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    defer { close(descriptor) }
    let copy = FileDescriptor(rawValue: descriptor)
    try copy.writeAll(toAbsoluteOffset: 0, UnsafeRawBufferPointer(disk.bytes.raw))
    let path = "/proc/\(getpid())/fd/\(descriptor)"
    let result = try FileSystemChecker.run(["-p", path], seconds: limit)
    if result.isTimedOut { return "e2fsck -p does not come to an end in \(limit) s" }
    guard result.status <= 1 else {
      return "e2fsck -p: exit \(result.status)\n\(result.output)"
    }
    return try verdict(onDiskAt: path).objection.map { "e2fsck -p, and then \($0)" }
  }
}
