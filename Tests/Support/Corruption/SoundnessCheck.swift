import TestSupport

/// What e2fsck(8) says of a disk that was damaged on purpose.
public enum SoundnessCheck {
  /// What `e2fsck -fn` objects to; nil when it has nothing to say. `butMark`: it may say that errors were recorded in the superblock, if it
  /// finds none itself.
  public static func complaint(
    about disk: HostileDisk, butMark mayBeMarked: Bool = false
  ) throws -> String? {
    let result = try FileSystemChecker.run(["-fn", disk.path], seconds: 20)
    let objections = result.objections { line in
      mayBeMarked && line.hasSuffix("contains a file system with errors, check forced.")
    }
    guard result.status != 0 || !objections.isEmpty else { return nil }
    return "e2fsck -fn: exit \(result.status)\n\(objections.prefix(6).joined(separator: "\n"))"
  }
}
