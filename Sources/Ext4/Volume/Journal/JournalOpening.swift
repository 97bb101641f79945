import Journal
import SystemPackage

extension Volume {
  /// Opens the journal of the file system on `device` and replays it where that is needed and possible. Nil when the file system has
  /// none, or when it is not looked at.
  ///
  /// Nothing is written to a device that is not writable: then a log that needs to be replayed refuses the mount.
  static func openJournal(
    of device: BlockDevice, _ superblock: RawSuperblock, options: Options
  ) throws(MountRefusal) -> (OpenJournal, JournalReport)? {
    let features = superblock.features
    let needsRecovery = features.incompatible.contains(.needsRecovery)
    guard !options.noRecovery else {
      guard options.readOnly || !needsRecovery else {
        throw MountRefusal(
          "its journal holds changes that were not yet replayed; leave out -o norecovery, or mount it with "
            + "-o ro,norecovery to look at it as it is")
      }
      return nil
    }
    guard features.compatible.contains(.hasJournal) else {
      guard !needsRecovery else {
        throw MountRefusal(
          "it says that its journal must be replayed, and has none; run e2fsck on it")
      }
      return nil
    }
    // A mount for reading only, of a file system that needs no recovery, does not need the external journal's device.
    let isExternal = superblock.journalInode == nil
    guard !isExternal || needsRecovery || !options.readOnly else { return nil }
    guard device.isWritable || !needsRecovery else {
      throw MountRefusal(
        "its journal holds changes that were not yet replayed, as after a crash, and it cannot be written; "
          + "make it writable, or add -o norecovery to see the file system without them")
    }
    let geometry = try Geometry(of: superblock, onDeviceOf: UInt64(device.byteCount))
    var journal = try locateJournal(of: device, superblock, options)
    let report = try recover(&journal, of: device, superblock, geometry, options)
    return (journal, report)
  }

  private static func locateJournal(
    of device: BlockDevice, _ superblock: RawSuperblock, _ options: Options
  ) throws(MountRefusal) -> OpenJournal {
    // The log may have what is not right on disk yet: checksums and descriptors count when it is replayed.
    let volume = try bare(device, options, checksChecksums: false)
    defer { volume.discard() }
    guard let number = superblock.journalInode else {
      guard superblock.journalUUID != .zero else {
        throw MountRefusal("it does not say where its journal is; run e2fsck on it")
      }
      return try ExternalJournal.open(
        superblock.journalUUID, for: superblock.uuid, blockSize: volume.blockSize,
        in: options.journal)
    }
    let runs = try volume.journalRuns(of: number)
    do throws(JournalError) {
      return try OpenJournal(
        area: JournalArea(device: device, blockSize: volume.blockSize, runs: runs))
    } catch {
      throw MountRefusal(error.description)
    }
  }

  /// The file system as libext2fs opens it, for reading.
  private static func bare(
    _ device: BlockDevice, _ options: Options, checksChecksums: Bool = true
  ) throws(MountRefusal) -> Volume {
    var options = options
    options.readOnly = true
    return try openLibrary(device, options: options, checksChecksums: checksChecksums)
  }

  private static func recover(
    _ journal: inout OpenJournal, of device: BlockDevice, _ superblock: RawSuperblock,
    _ geometry: Geometry, _ options: Options
  ) throws(MountRefusal) -> JournalReport {
    var report = JournalReport()
    report.neededRecovery = superblock.features.incompatible.contains(.needsRecovery)
    do throws(JournalError) {
      if report.neededRecovery {
        let recovery = JournalRecovery(
          fileSystem: device, firstBlock: geometry.firstDataBlock,
          blockCount: geometry.blockCount, progress: options.journal.progress)
        report.outcome = try recovery.run(&journal)
      } else if !options.readOnly, device.isWritable, journal.superblock.needsRecovery {
        // The file system was changed without its journal: what the log holds is out of date.
        try JournalRecovery.discard(&journal)
        report.wasDiscarded = true
      }
    } catch {
      throw MountRefusal(error.description)
    }
    report.hadError = journal.superblock.errorCode != 0
    if report.neededRecovery || report.hadError && !options.readOnly && device.isWritable {
      try completeRecovery(of: device, superblock, options, hadError: report.hadError)
      if report.hadError { try clearError(of: &journal) }
    }
    return report
  }

  /// Brings up to date what a journal's superblock cannot: the file system's flag, what is known of errors, and the counts that the
  /// kernel keeps in the descriptors only (`ext4_load_journal`, `ext4_clear_journal_err`).
  private static func completeRecovery(
    of device: BlockDevice, _ before: RawSuperblock, _ options: Options, hadError: Bool
  ) throws(MountRefusal) {
    let volume = try bare(device, options)
    defer { volume.discard() }
    let superblock = volume.superblock
    superblock.takeOverErrors(from: before)
    if hadError { superblock.hasErrors = true }
    superblock.set(.needsRecovery, false)
    volume.countFree()
    superblock.noteWrite()
    do throws(Errno) {
      try device.write(superblock.serialized(), at: RawSuperblock.byteOffset)
      try device.synchronize()
    } catch {
      throw MountRefusal(JournalError.writing(error).description)
    }
  }

  private static func clearError(of journal: inout OpenJournal) throws(MountRefusal) {
    journal.superblock.errorCode = 0
    do throws(Errno) {
      try journal.writeSuperblock()
      try journal.area.device.synchronize()
    } catch {
      throw MountRefusal(JournalError.writing(error).description)
    }
  }
}
