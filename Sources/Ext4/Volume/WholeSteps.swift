import CExt2FS
import Journal
import SystemPackage

// How metadata is read and changed on a device that is slow, or fails.
//
// As long as a step has changed nothing, blocks that are missing are read without the metadata lock: the step is given up, the block
// is read, and the step begins again. So a step reads what it needs first, and if that read fails nothing has happened. Once the step
// has changed something, it waits for further blocks with the lock held.
//
// A step that fails after a change must either undo the change and say so (`noteUndone`), or else a part of it is in the running
// transaction. Then that transaction must not be committed: writing stops, and what was committed before stays as it is.
extension Volume {
  /// So many times a body is begun again after a read without the lock. After that it reads with the lock held, so that blocks which
  /// are dropped as soon as they have been read do not make a caller wait for ever.
  private static let patience = 64

  /// Calls `body` with the metadata lock held. It may be called several times, as long as it has changed nothing.
  @inline(__always)
  func withMetadata<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    var position: UInt64 = 0
    return try withMetadata(advancing: &position) { (_: inout UInt64) throws(Ext4Error) in
      try body()
    }
  }

  /// The same for a body that works in parts, each of which is final: when `position` has advanced, the count of `patience` begins anew.
  @inline(__always)
  func withMetadata<R>(
    advancing position: inout UInt64, _ body: (inout UInt64) throws(Ext4Error) -> R
  ) throws(Ext4Error) -> R {
    var read: DetachedRead?
    var turn = 0
    while true {
      let start = position
      let result = try metadata.withLockOrGivingUp { () throws(Ext4Error) -> R? in
        if turn < Self.patience { cache.beginDetachedReads() }
        defer { cache.endDetachedReads() }
        if let done = read {
          cache.finish(done)
          read = nil
        }
        do throws(Ext4Error) {
          return .some(try body(&position))
        } catch {
          guard error.isNotInMemory else { throw error }
          try requireToWait()
          read = cache.takeMissing()
          if read == nil { turn = Self.patience }
          return nil
        }
      }
      if let result { return result }
      read?.run()
      turn = position == start ? turn + 1 : 0
    }
  }
}

// Metadata lock held, for all of this.
extension Volume {
  /// Calls `body`, a step.
  @inline(__always)
  func step<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    let before = cache.changeCount
    do throws(Ext4Error) {
      let result = try body()
      device.waitPolicy.hasChanged()
      return result
    } catch {
      if error.isOfDevice, isWhole(after: error, since: before) { restoreInodes() }
      throw error
    }
  }

  /// Calls `body`, a part of a step that is not undone when it fails halfway.
  @inline(__always)
  func whole<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    let before = cache.changeCount
    do throws(Ext4Error) {
      return try body()
    } catch {
      if error.isOfDevice { _ = isWhole(after: error, since: before) }
      throw error
    }
  }

  /// What the step had changed before it failed has been undone.
  func noteUndone() { undoneChange = cache.changeCount }

  /// Calls `body`, which undoes what a step has changed.
  func undo(_ body: () throws(Ext4Error) -> Void) {
    undoneChange = nil
    do throws(Ext4Error) {
      try body()
      noteUndone()
    } catch {
      if error.isOfDevice { stopWriting(after: error) } else { noteLocked(error) }
    }
  }

  /// Whether nothing is left of the step that failed. If a part is left, writing stops.
  private func isWhole(after error: Ext4Error, since before: UInt64) -> Bool {
    guard isWritable else { return false }
    if cache.changeCount == before || cache.changeCount == undoneChange { return true }
    stopWriting(after: error)
    return false
  }

  /// A part of a step has happened, and the rest cannot: none of the running transaction reaches the disk.
  func stopWriting(after error: Ext4Error) {
    health.becomeReadOnly()
    log?.abort(error.errno)
    noteLocked(error)
  }

  /// Inodes in memory that were changed and not stored are as on disk again, but for their times.
  private func restoreInodes() {
    ext2fs_flush_icache(fs)
    for inode in inodes.all where cache.contains(tableBlock(of: inode.number)) {
      do throws(Ext4Error) {
        try inode.restore()
      } catch {
        return stopWriting(after: error)
      }
    }
  }

  /// The block of the inode table in which an inode lies.
  func tableBlock(of inode: InodeNumber) -> BlockNumber {
    let (group, index) = (inode.rawValue - 1).quotientAndRemainder(
      dividingBy: geometry.inodesPerGroup)
    return descriptors.inodeTable(of: group) + UInt64(index / geometry.inodesPerBlock)
  }

  /// Brings what it takes to store an inode into memory: after that it cannot fail for what the device does.
  func requireStorable(_ inodes: [Inode?]) throws(Ext4Error) {
    for case let inode? in inodes { try requireStorable(inode.number) }
  }

  func requireStorable(_ inode: InodeNumber) throws(Ext4Error) {
    let block = tableBlock(of: inode)
    if !cache.contains(block) { _ = try readBlock(block, of: inode) }
  }
}

extension Inode {
  func requireStorable() throws(Ext4Error) { try volume.requireStorable(number) }

  /// Whatever was changed and not stored is undone; the times stay, which may not have been stored yet.
  fileprivate func restore() throws(Ext4Error) {
    let times = (modificationTime, changeTime, accessTime)
    let oldSize = size
    try reload()
    (modificationTime, changeTime, accessTime) = times
    if size != oldSize { mappings.removeAll() }
  }
}

extension Ext4Error {
  /// A block would have to be waited for (`Volume.withMetadata`).
  var isNotInMemory: Bool {
    guard case .library(let code, _, _) = self else { return false }
    return code == Int(Errno.notInMemory.rawValue)
  }

  /// The device has failed, or has no room, or there is no memory: the codes of libext2fs's own begin far behind those of the system.
  var isOfDevice: Bool {
    guard case .library(let code, _, _) = self else { return false }
    return (1..<256).contains(code) && code != Int(Errno.corrupted.rawValue)
  }
}
