import Synchronization

// Data is written without the metadata lock, so the time of a write is left at the inode and folded into its on-disk
// form at the next occasion.

extension Inode {
  /// Remembers that data was written now.
  @inline(__always)
  func noteWriteTime() {
    let before = lastWrite.exchange(Timestamp.now.nanosecondsSince1970, ordering: .relaxed)
    accessCurrentUntil.store(0, ordering: .relaxed)
    if before == 0 { volume.recentlyWritten.withLock { $0.append(self) } }
  }

  /// Brings the times up to date. Metadata lock held. Returns whether they changed.
  @discardableResult
  func foldWriteTime() -> Bool {
    let time = lastWrite.exchange(0, ordering: .relaxed)
    guard time != 0 else { return false }
    modificationTime = Timestamp(nanosecondsSince1970: time)
    changeTime = modificationTime
    return true
  }
}

extension Volume {
  /// Brings the times of recently written files up to date: of at most `limit` of them. Returns whether that were all. Metadata lock held.
  @discardableResult
  func foldWriteTimes(ofAtMost limit: Int = .max) throws(Ext4Error) -> Bool {
    let (written, isAll) = recentlyWritten.withLock { list in
      let some = Array(list.prefix(limit))
      list.removeFirst(some.count)
      return (some, list.isEmpty)
    }
    for inode in written where inode.foldWriteTime() && inode.linkCount > 0 {
      try inode.store()
    }
    return isAll
  }
}
