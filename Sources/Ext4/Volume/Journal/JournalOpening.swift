import CExt2FS
import Glibc
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
    // Who only reads a file system that needs nothing does not need its journal's device either.
    let isExternal = superblock.journalInode == 0
    guard !isExternal || needsRecovery || !options.readOnly else { return nil }
    guard device.isWritable || !needsRecovery else {
      throw MountRefusal(
        "its journal holds changes that were not yet replayed, as after a crash, and it cannot be written; "
          + "make it writable, or add -o norecovery to see the file system without them")
    }
    var journal = try locateJournal(of: device, superblock, options)
    let report = try recover(&journal, of: device, superblock, options)
    return (journal, report)
  }

  private static func locateJournal(
    of device: BlockDevice, _ superblock: RawSuperblock, _ options: Options
  ) throws(MountRefusal) -> OpenJournal {
    // The log may have what is not right on disk yet: checksums and descriptors count when it is replayed.
    let volume = try bare(device, options, flags: EXT2_FLAG_IGNORE_CSUM_ERRORS)
    defer { volume.discard() }
    volume.fs.pointee.flags &= ~EXT2_FLAG_IGNORE_CSUM_ERRORS
    guard superblock.journalInode != 0 else {
      guard superblock.journalUUID != .zero else {
        throw MountRefusal("it does not say where its journal is; run e2fsck on it")
      }
      return try ExternalJournal.open(
        superblock.journalUUID, for: superblock.uuid, blockSize: volume.blockSize,
        in: options.journal)
    }
    let runs = try volume.journalRuns(of: InodeNumber(superblock.journalInode))
    do throws(JournalError) {
      return try OpenJournal(
        area: JournalArea(device: device, blockSize: volume.blockSize, runs: runs))
    } catch {
      throw MountRefusal(error.description)
    }
  }

  /// The file system as libext2fs opens it, for reading.
  private static func bare(
    _ device: BlockDevice, _ options: Options, flags: CInt = 0
  ) throws(MountRefusal) -> Volume {
    var options = options
    options.readOnly = true
    return try openLibrary(
      device, options: options, features: try checkSuperblock(of: device, options: options),
      flags: flags)
  }

  private static func recover(
    _ journal: inout OpenJournal, of device: BlockDevice, _ superblock: RawSuperblock,
    _ options: Options
  ) throws(MountRefusal) -> JournalReport {
    var report = JournalReport()
    report.neededRecovery = superblock.features.incompatible.contains(.needsRecovery)
    do throws(JournalError) {
      if report.neededRecovery {
        let recovery = JournalRecovery(
          fileSystem: device, firstBlock: UInt64(superblock.fields.s_first_data_block),
          blockCount: superblock.blockCount, progress: options.journal.progress)
        report.outcome = try recovery.run(&journal)
      } else if !options.readOnly, device.isWritable, journal.superblock.needsRecovery {
        // Somebody has used the file system without its journal: what that holds is out of date.
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
    RawSuperblock.copyErrors(from: before, to: superblock)
    if hadError { superblock.pointee.s_state |= UInt16(EXT2_ERROR_FS) }
    superblock.pointee.s_feature_incompat &= ~Features.Incompatible.needsRecovery.rawValue
    volume.countFree()
    superblock.pointee.s_wtime = UInt32(truncatingIfNeeded: time(nil))
    _ = ext2fs_superblock_csum_set(volume.fs, superblock)
    do throws(Errno) {
      try device.write(
        UnsafeRawBufferPointer(start: superblock, count: RawSuperblock.byteCount),
        at: RawSuperblock.byteOffset)
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

  /// Sums up what the groups have free.
  private func countFree() {
    var blocks: UInt64 = 0
    var inodes: UInt64 = 0
    for group in 0..<fs.pointee.group_desc_count {
      blocks += UInt64(ext2fs_bg_free_blocks_count(fs, group))
      inodes += UInt64(ext2fs_bg_free_inodes_count(fs, group))
    }
    blocks <<= UInt64(fs.pointee.cluster_ratio_bits)
    ext2fs_free_blocks_count_set(superblock, blocks)
    superblock.pointee.s_free_inodes_count = UInt32(truncatingIfNeeded: inodes)
  }
}
