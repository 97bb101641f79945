import CExt2FS
import Journal

// What belongs to inodes without names is freed in steps of bounded size, with other changes and commits between them; the orphan
// list keeps what is left to do. Metadata lock not held, unless it says so.
extension Volume {
  /// Frees an inode on the list that has no names and no users any more, with all that it holds.
  func deleteOrphan(_ inode: Inode) throws(Ext4Error) {
    try changeInSteps { () throws(Ext4Error) in
      // Another thread may have deleted it, or the kernel may refer to it again.
      guard orphans.contains(inode.number), inode.linkCount == 0,
        inodes.lookupCount(of: inode) == 0
      else { return true }
      return try freeSome(of: inode)
    }
  }

  /// At the end of the mount: frees all inodes without names, to which the kernel refers no more. With errors=continue, a damaged one
  /// stays on the list and the others are freed; returns what was wrong with the first.
  func finishAllOrphans() throws(Ext4Error) -> Ext4Error? {
    var damage: Ext4Error?
    for number in metadata.withLock({ orphans.all }) {
      do throws(Ext4Error) {
        try finishOrphan(try metadata.withLock { () throws(Ext4Error) in try inode(number) })
      } catch {
        guard case .corrupted = error, onError == .carryOn else { throw error }
        metadata.withLock { noteLocked(error) }
        damage = damage ?? error
      }
    }
    return damage
  }

  /// Finishes what an interrupted mount left on the list: files without names are deleted, others were being
  /// truncated to the size that they have. Returns how many of each. When the list is damaged, records that, returns nil, and the list
  /// is not followed again (ext4_orphan_cleanup).
  func processOrphans() throws(Ext4Error) -> (deleted: Int, truncated: Int)? {
    let left: [Inode]
    do throws(Ext4Error) {
      left = try metadata.withLock { () throws(Ext4Error) in
        let left = try orphansLeft()
        for inode in left.reversed() { _ = orphans.insert(inode.number) }
        return left
      }
    } catch {
      guard case .corrupted = error else { throw error }
      try change { () throws(Ext4Error) in
        superblock.setLastOrphan(nil)
        superblock.markDirty()
      }
      note(error)
      return nil
    }
    let deleted = metadata.withLock { left.count { $0.linkCount == 0 } }
    for inode in left { try finishOrphan(inode) }
    return (deleted, left.count - deleted)
  }

  /// Deletes an unused inode without names, or frees what lies behind the end of one that has a name; and takes it off the list.
  func finishOrphan(_ inode: Inode) throws(Ext4Error) {
    try changeInSteps { () throws(Ext4Error) in
      guard inode.linkCount > 0 else { return try freeSome(of: inode) }
      if inode.isRegularFile, inode.ownsBlocks, try !inode.removeSomeBlocksBehindEnd() {
        try inode.store()
        return false
      }
      try removeOrphan(inode)
      try inode.store()
      return true
    }
  }

  /// The inodes on the list on disk. Metadata lock held.
  private func orphansLeft() throws(Ext4Error) -> [Inode] {
    var left: [Inode] = []
    var seen: Set<InodeNumber> = []
    var link = superblock.lastOrphan
    while !(link == 0) {
      let number = InodeNumber(
        try link.in(
          geometry.firstInode.rawValue...geometry.inodeCount, "the list of deleted files is damaged"
        ))
      guard seen.insert(number).inserted, let inode = try leftOrphan(number) else {
        throw .corrupted(number, what: "the list of deleted files is damaged")
      }
      left.append(inode)
      link = Unchecked(inode.deletionTime)
    }
    return left
  }

  /// An inode that an interrupted mount left on the list; nil for one that is free, or cannot be finished. Metadata lock held.
  func leftOrphan(_ number: InodeNumber) throws(Ext4Error) -> Inode? {
    try loadInodeBitmap(of: group(of: number))
    guard bitmaps.isTaken(number) else { return nil }
    let inode = try inode(number)
    guard inode.fileType != nil else {
      throw .corrupted(number, what: "a deleted file has no type")
    }
    try inode.judge()
    return inode
  }

  /// One step of freeing an inode without names. Returns whether it was the last. Metadata lock held.
  private func freeSome(of inode: Inode) throws(Ext4Error) -> Bool {
    try requireFreeable(inode)
    if inode.ownsBlocks, try !inode.removeSomeBlocks(from: 0, to: UInt64(1) << 32) {
      try inode.store()
      return false
    }
    guard try inode.dropSomeValues() else { return false }
    try freeEmptyInode(inode)
    return true
  }

  /// Reads the metadata that freeing the inode needs, before anything of it is freed.
  private func requireFreeable(_ inode: Inode) throws(Ext4Error) {
    try inode.requireStorable()
    _ = try loadInodeBitmap(toFree: inode.number)
    if let previous = orphans.previous(of: inode.number) {
      try self.inode(previous).requireStorable()
    }
    do throws(Ext4Error) {
      guard let block = try inode.readAttributeBlock() else { return }
      try loadBlockBitmaps(toFree: BlockRun(first: block.buffer.block, count: 1))
    } catch {
      // A damaged part is found again when it is freed, and must not keep the others from being freed.
      if error.isOfDevice || error.isNotInMemory { throw error }
    }
  }

  /// Frees an inode that no name leads to, with what little it holds. Metadata lock held.
  func freeInode(_ inode: Inode) throws(Ext4Error) {
    if inode.ownsBlocks { try inode.removeBlocks(from: 0, to: UInt64(1) << 32) }
    try freeEmptyInode(inode)
  }

  /// Metadata lock held.
  private func freeEmptyInode(_ inode: Inode) throws(Ext4Error) {
    try inode.releaseAttributes()
    inode.size = 0
    try removeOrphan(inode)
    try deallocateInode(inode)
  }
}
