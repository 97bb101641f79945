import Journal
import SystemPackage

extension Volume {
  /// Records what went wrong, and stops writing when the file system's policy or prudence says so. Returns true
  /// when the error speaks of damage and is news.
  @discardableResult
  public func note(_ error: Ext4Error) -> Bool {
    guard error.isDamage, isOpen, !health.isReadOnly else { return false }
    guard !options.readOnly else { return true }
    if onError != .carryOn || log?.isAborted == true || device.cutOff != nil {
      health.becomeReadOnly()
    }
    metadata.withLock { noteLocked(error) }
    return true
  }

  /// The same for damage that was found and worked around in the middle of a step, whose caller does not get to see it. Metadata lock
  /// held.
  func noteDamage(_ error: Ext4Error) {
    guard isOpen, !options.readOnly else { return }
    if damage.count < Self.damageKept { damage.append(error) }
    let isNews = !health.isReadOnly
    if onError != .carryOn { health.becomeReadOnly() }
    if isNews { noteLocked(error) }
    // The background thread that commits also writes it to the daemon's log (`takeDamage`).
    requestCommit()
  }

  /// A hostile image may have any number of bad places.
  private static let damageKept = 100

  /// What `noteDamage` was told since the last call. It has been recorded on disk.
  public func takeDamage() -> [Ext4Error] {
    metadata.withLock {
      defer { damage.removeAll() }
      return damage
    }
  }

  /// Writes into the superblock that a check is needed. With a journal that is to go on, with the next commit; otherwise it is written by
  /// itself and at once, since nothing else may be. Metadata lock held.
  func noteLocked(_ error: Ext4Error) {
    guard error.isDamage else { return }
    let isKnown = superblock.hasErrors
    superblock.record(error)
    superblock.markDirty()
    guard health.isReadOnly || log?.isAborted == true else {
      // That there are errors is on disk at once; how many, with the next commit: an image may have any number of them.
      return log == nil && !isKnown
        ? writeSuperblockAlone(superblock.serialized()) : requestCommit()
    }
    // What the superblock counts is not committed, so only the error goes to disk. Recovery may put an older copy over it, but takes
    // the error from the journal then (ext4_clear_journal_err).
    log?.abort(error.errno)
    do throws(Errno) {
      var home = try RawSuperblock(of: device)
      superblock.copyErrors(to: &home)
      home.withSerialized { writeSuperblockAlone($0) }
    } catch {
      return
    }
  }

  private func writeSuperblockAlone(_ bytes: UnsafeRawBufferPointer) {
    do throws(Errno) {
      try device.write(bytes, at: RawSuperblock.byteOffset)
      try device.synchronize()
    } catch {
      health.becomeReadOnly()
    }
  }
}
