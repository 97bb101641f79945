import TestSupport

/// What e2fsck(8) says of a disk that was damaged on purpose.
public enum SoundnessCheck {
  /// What `e2fsck -fn` objects to; nil when it has nothing to say.
  public static func complaint(about disk: HostileDisk) throws -> String? {
    let result = try FileSystemChecker.run(["-fn", disk.path], seconds: 20)
    let objections = result.objections()
    guard result.status != 0 || !objections.isEmpty else { return nil }
    return "e2fsck -fn: exit \(result.status)\n\(objections.prefix(6).joined(separator: "\n"))"
  }
}
