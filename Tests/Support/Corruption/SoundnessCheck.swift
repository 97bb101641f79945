import TestSupport

/// What e2fsck(8) says of a disk that was damaged on purpose.
public enum SoundnessCheck {
  /// Seconds. There are images of which e2fsck 1.47.0 never comes to an end.
  private static let limit = 5

  /// What `e2fsck -fn` objects to; nil when it has nothing to say.
  public static func complaint(about disk: HostileDisk) throws -> String? {
    let result = try FileSystemChecker.run(["-fn", disk.path], seconds: Self.limit)
    let objections = result.objections()
    guard result.status != 0 || !objections.isEmpty else { return nil }
    return "e2fsck -fn: exit \(result.status)\n\(objections.prefix(6).joined(separator: "\n"))"
  }

  /// What is left when `e2fsck -p` has put right what it does by itself at boot: deleted files that are still on the orphan list are freed.
  /// Changes the disk. Nil when that was all.
  public static func complaintOfPreening(_ disk: HostileDisk) throws -> String? {
    let result = try FileSystemChecker.run(["-p", disk.path], seconds: Self.limit)
    guard result.status > 1 else { return nil }
    return "e2fsck -p: exit \(result.status)\n\(result.output)"
  }
}
