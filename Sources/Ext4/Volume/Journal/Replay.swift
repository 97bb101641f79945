import CExt2FS
import Journal

/// What was done to bring a file system to where its last mount left it.
public struct ReplayReport: Sendable {
  public internal(set) var journal: JournalReport?
  public internal(set) var deleted = 0
  public internal(set) var truncated = 0
  /// Deleted files that were left alone, and why, as a sentence without its end.
  public internal(set) var orphansLeft: String?
  /// The file system has recorded errors.
  public internal(set) var hasErrors = false
}

extension Volume {
  /// Replays the journal, and finishes the deletion of files that were still in use, without mounting: what a mount for writing does
  /// first. Nothing else changes; whether the file system counts as clean least of all.
  public static func replay(
    _ device: BlockDevice, options: Options
  ) throws(MountRefusal) -> ReplayReport {
    var options = options
    options.readOnly = true
    options.noRecovery = false
    var report = ReplayReport()
    report.journal = try replayJournal(device, options: options)
    let superblock = try readSuperblock(of: device)
    report.hasErrors = superblock.hasErrors
    guard superblock.hasOrphans else { return report }
    let unsupported = superblock.features.unsupported(forWriting: true)
    guard unsupported.isEmpty else {
      report.orphansLeft =
        "fuse4fs does not write file systems with \(unsupported.joined(separator: ", "))"
      return report
    }
    guard !report.hasErrors else {
      report.orphansLeft = "the file system has errors; run e2fsck on it"
      return report
    }
    options.readOnly = false
    let volume = try open(device, options: options)
    do throws(Ext4Error) {
      guard let finished = try volume.finishOrphans() else {
        report.orphansLeft = "the list of deleted files is damaged; run e2fsck on the file system"
        return report
      }
      (report.deleted, report.truncated) = finished
    } catch {
      throw MountRefusal(
        "deleted files could not be freed (\(error.errno)); run e2fsck on the file system")
    }
    return report
  }

  /// What opening the file system does to its journal. Nil if there is none, or if it is not needed.
  static func replayJournal(
    _ device: BlockDevice, options: Options
  ) throws(MountRefusal) -> JournalReport? {
    let superblock = try checkSuperblock(of: device, options: options)
    return try openJournal(of: device, superblock, options: options)?.1
  }

  /// A short mount for the orphans' sake.
  private func finishOrphans() throws(Ext4Error) -> (deleted: Int, truncated: Int)? {
    let found: (deleted: Int, truncated: Int)?
    do throws(Ext4Error) {
      try beginUse(countsAsMount: false)
      found = try finishOrphansLeft()
    } catch {
      metadata.withLock { discard() }
      throw error
    }
    try close()
    return found
  }
}
