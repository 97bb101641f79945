import CExt2FS
import Synchronization
import SystemPackage

// Freezing, as FIFREEZE asks for it.
extension Volume {
  /// Writes everything and then nothing more until `thaw`. The file system is marked as clean if it was and no file without a
  /// name is in use, so that a snapshot of the device is a file system that needs no check.
  public func freeze(unlinkedFilesInUse: UInt64) throws(Ext4Error) {
    guard !options.readOnly else { return }
    try synchronize()
    try committing.withLock { () throws(Ext4Error) in
      try commitGate.withWriteLock { () throws(Ext4Error) in
        try metadata.withLock { () throws(Ext4Error) in
          try commitRest()
          let isClean = wasClean && unlinkedFilesInUse == 0 && orphans.count == 0
          try endLogging(isClean: isClean)
          isFrozen.store(true, ordering: .releasing)
        }
      }
    }
  }

  /// What has changed since the last commit. Metadata lock held.
  private func commitRest() throws(Ext4Error) {
    guard let log else {
      if hasUnflushedData.load(ordering: .acquiring) { try synchronizeDevice() }
      return try commitLocked()
    }
    while let prepared = try makeTransaction(for: log) {
      try write(prepared, to: log)
      finish(prepared)
    }
  }

  /// Lets changes reach the device again.
  public func thaw() throws(Ext4Error) {
    guard isFrozen.load(ordering: .acquiring) else { return }
    try metadata.withLock { () throws(Ext4Error) in
      isFrozen.store(false, ordering: .releasing)
      try beginLogging()
    }
  }
}
