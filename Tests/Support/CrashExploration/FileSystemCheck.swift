import TestSupport

/// What e2fsck(8) says of a disk that a power cut may have left.
enum FileSystemCheck {
  /// What `e2fsck -fn` objects to; nil when it has nothing to say.
  static func complaint(about disk: MappedDisk) throws -> String? {
    let result = try run("-fn", disk)
    return result.status == 0 && result.objections().isEmpty
      ? nil : "e2fsck -fn: exit \(result.status)\n\(result.output)"
  }

  /// Has e2fsck replay the journal and finish deletions, and returns what else it had to do; nil for nothing.
  static func flawInReplay(of disk: MappedDisk) throws -> String? {
    let result = try run("-fy", disk)
    let objections = result.objections { line in
      [
        "recovering journal", "MODIFIED", "Clearing orphaned inode", "Truncating orphaned inode",
      ]
      .contains { line.contains($0) }
    }
    return result.status <= 1 && objections.isEmpty
      ? nil : "e2fsck -fy: exit \(result.status)\n\(result.output)"
  }

  private static func run(
    _ option: String, _ disk: MappedDisk
  ) throws -> FileSystemChecker.Result {
    guard let journal = disk.journalCopy else {
      return try FileSystemChecker.run([option, disk.path.string])
    }
    disk.copyJournalOut()
    defer { disk.copyJournalBack() }
    return try FileSystemChecker.run([option, "-j", journal.path.string, disk.path.string])
  }
}
