import CExt2FS
import Glibc
import Journal
import SystemPackage

// The beginning and the end of writing.
//
// A file system with a journal is marked as one that needs recovery for as long as it is mounted for writing. Without a journal, as one
// that is not clean.
extension Volume {
  /// Marks the file system as in use, and finishes what an interrupted earlier mount left undone. Returns
  /// warnings for the person who mounts.
  public func startWriting() throws(Ext4Error) -> [String] {
    guard !options.readOnly else { return [] }
    var warnings: [String] = []
    let (hasErrors, isClean) = metadata.withLock { (superblock.hasErrors, superblock.isClean) }
    if hasErrors {
      warnings.append("the file system has recorded errors; run e2fsck on it soon")
    } else if !isClean {
      warnings.append("the file system was not unmounted cleanly; run e2fsck on it soon")
    }
    try beginUse(countsAsMount: true)
    guard metadata.withLock({ hasOrphansOnDisk }) else { return warnings }
    guard !hasErrors else {
      return warnings + ["deleted files are left for e2fsck, since the file system has errors"]
    }
    guard let (deleted, truncated) = try finishOrphansLeft() else {
      return warnings + [
        "the list of deleted files is damaged, and their space stays lost until e2fsck is run on it"
      ]
    }
    if deleted + truncated > 0 {
      warnings.append(
        "finished the deletion of \(deleted) and the truncation of \(truncated) files that an "
          + "interrupted mount had left")
    }
    return warnings
  }

  /// From here on the file system may be changed.
  func beginUse(countsAsMount: Bool) throws(Ext4Error) {
    try metadata.withLock { () throws(Ext4Error) in
      watchBlockAllocation()
      wasClean = superblock.isClean && !superblock.hasErrors
      if countsAsMount { superblock.noteMount() }
      try beginLogging()
    }
  }

  /// Finishes what an interrupted mount left on the orphan list and in the orphan file.
  func finishOrphansLeft() throws(Ext4Error) -> (deleted: Int, truncated: Int)? {
    guard let listed = try processOrphans() else { return nil }
    let filed = try processOrphanFile()
    return (listed.deleted + filed.deleted, listed.truncated + filed.truncated)
  }

  /// Writes everything, marks the file system as it was found (clean, if it was), and lets go of it. No
  /// other call may follow or be under way. An error if not everything could be written, now or before.
  public func close() throws(Ext4Error) {
    guard isOpen else { return }
    defer { metadata.withLock { discard() } }
    if let error = log?.error {
      throw .library(code: Int(error.rawValue), doing: "writing the journal", InodeNumber(0))
    }
    guard !options.readOnly else { return }
    // What had changed when writing stopped is in memory only.
    guard isWritable else {
      if hasShutDown { return }
      throw .library(
        code: Int(Errno.ioError.rawValue), doing: "writing what had changed", InodeNumber(0))
    }
    do throws(Ext4Error) {
      try finishWriting()
    } catch {
      metadata.withLock { noteLocked(error) }
      // `note` has nothing to write to from here on.
      health.becomeReadOnly()
      throw error
    }
    // The file system is whole, but not all that is in it.
    if let error = health.dataError { throw error }
  }

  private func finishWriting() throws(Ext4Error) {
    let damage = try finishAllOrphans()
    for inode in inodes.withPreallocation {
      try change { () throws(Ext4Error) in try inode.trimPreallocation() }
    }
    compactChangedTrees()
    try synchronize()
    try metadata.withLock { () throws(Ext4Error) in try endLogging(isClean: wasClean) }
    if let damage { throw damage }
  }

  /// A tree that is damaged keeps nothing else from being written.
  private func compactChangedTrees() {
    for inode in inodes.withChangedExtentTree {
      do throws(Ext4Error) {
        try inode.compactExtentTreeInOneStep()
      } catch {
        metadata.withLock { noteLocked(error) }
      }
    }
  }
}

// Metadata lock held, for all of this.
extension Volume {
  /// From here on changes go into the log, if there is a journal.
  func beginLogging() throws(Ext4Error) {
    guard let journal else {
      superblock.isClean = false
      superblock.markDirty()
      return try commitLocked()
    }
    superblock.set(.needsRecovery, true)
    superblock.markDirty()
    try withoutLog { () throws(Ext4Error) in try commitLocked() }
    // The log counts only where the superblock says that it does.
    try synchronizeDevice()
    let log =
      cache.log
      ?? JournalLog(
        withFeatures(journal), home: device, usesBarriers: options.usesBarriers)
    try attempt("beginning the journal") { () throws(Errno) in try log.start() }
    cache.log = log
  }

  /// Ends the log, if there is one: all is at home, and the superblock says so. Everything is committed.
  func endLogging(isClean: Bool) throws(Ext4Error) {
    if let log {
      try attempt("emptying the journal") { () throws(Errno) in try log.stop() }
      superblock.set(.needsRecovery, false)
    }
    if isClean, !superblock.hasErrors { superblock.isClean = true }
    superblock.markDirty()
    try withoutLog { () throws(Ext4Error) in try commitLocked() }
    try synchronizeDevice()
  }

  /// While `body` runs, commits go home.
  private func withoutLog(_ body: () throws(Ext4Error) -> Void) throws(Ext4Error) {
    let log = cache.log
    cache.log = nil
    defer { cache.log = log }
    try body()
  }

  /// The journal with the features that the kernel would choose: revoke records, block numbers as wide as the file
  /// system's, checksums if it has some (ext4_load_journal, set_journal_csum_feature_set).
  private func withFeatures(_ journal: OpenJournal) -> OpenJournal {
    var journal = journal
    journal.superblock.upgrade()
    journal.superblock.errorCode = 0
    var features = journal.superblock.features
    features.incompatible.insert(.revoke)
    features.incompatible.remove(.asyncCommit)
    if self.features.incompatible.contains(.wideBlockNumbers) {
      features.incompatible.insert(.wideBlockNumbers)
    }
    if self.features.readOnlyCompatible.contains(.metadataChecksums) {
      features.compatible.remove(.checksum)
      features.incompatible.remove(.checksumV2)
      features.incompatible.insert(.checksumV3)
    }
    journal.superblock.features = features
    return journal
  }
}
