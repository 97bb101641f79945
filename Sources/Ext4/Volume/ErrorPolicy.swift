import CExt2FS
import Glibc
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

  /// Writes into the superblock that a check is needed. With a journal that is to go on, with the next commit; otherwise it is written by
  /// itself and at once, since nothing else may be. Metadata lock held.
  func noteLocked(_ error: Ext4Error) {
    guard error.isDamage else { return }
    let now = UInt32(truncatingIfNeeded: time(nil))
    superblock.pointee.s_state |= UInt16(EXT2_ERROR_FS)
    superblock.pointee.s_error_count &+= 1
    superblock.pointee.s_last_error_time = now
    if superblock.pointee.s_first_error_time == 0 { superblock.pointee.s_first_error_time = now }
    ext2fs_mark_super_dirty(fs)
    guard health.isReadOnly || log?.isAborted == true else {
      return log == nil ? writeSuperblockAlone(superblock) : requestCommit()
    }
    // What the superblock counts is not committed, so only the error goes to disk. Recovery may put an older copy over it, but takes
    // the error from the journal then (ext4_clear_journal_err).
    log?.abort(error.errno)
    var home = ext2_super_block()
    do throws(Errno) {
      try withUnsafeMutableBytes(of: &home) { (bytes) throws(Errno) in
        try device.read(into: bytes, at: 1024)
      }
    } catch {
      return
    }
    home.s_state |= UInt16(EXT2_ERROR_FS)
    home.s_error_count = superblock.pointee.s_error_count
    home.s_last_error_time = superblock.pointee.s_last_error_time
    home.s_first_error_time = superblock.pointee.s_first_error_time
    writeSuperblockAlone(&home)
  }

  private func writeSuperblockAlone(_ superblock: UnsafeMutablePointer<ext2_super_block>) {
    _ = ext2fs_superblock_csum_set(fs, superblock)
    do throws(Errno) {
      try device.write(UnsafeRawBufferPointer(start: superblock, count: 1024), at: 1024)
      try device.synchronize()
    } catch {
      health.becomeReadOnly()
    }
  }
}
