import TestSupport

/// What e2fsck(8) says of a disk that was damaged on purpose.
public enum SoundnessCheck {
  /// What `e2fsck -fn` objects to; nil when it has nothing to say.
  public static func complaint(about disk: HostileDisk) throws -> String? {
    let result = try FileSystemChecker.run(["-fn", disk.path], seconds: 20)
    return text("-fn", result.status == 0, result, result.objections())
  }

  /// What `e2fsck -fy` repairs, on a file system in which the driver has met and recorded damage: it may clear deleted files that are still on
  /// the orphan list, since the driver could not free them, and nothing else. Changes the disk. Nil for no more than that.
  public static func complaintInRepair(of disk: HostileDisk) throws -> String? {
    let result = try FileSystemChecker.run(["-fy", disk.path], seconds: 20)
    let objections = result.objections { line in
      [
        "contains a file system with errors, check forced.", "Clearing orphaned inode",
        "FILE SYSTEM WAS MODIFIED",
      ].contains { line.contains($0) }
    }
    return text("-fy", result.status <= 1, result, objections)
  }

  private static func text(
    _ option: String, _ isGoodStatus: Bool, _ result: FileSystemChecker.Result,
    _ objections: [Substring]
  ) -> String? {
    guard !isGoodStatus || !objections.isEmpty else { return nil }
    return "e2fsck \(option): exit \(result.status)\n"
      + objections.prefix(6).joined(separator: "\n")
  }
}
