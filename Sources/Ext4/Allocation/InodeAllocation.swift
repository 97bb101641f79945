import CExt2FS
import Glibc
import Journal
import SystemPackage

// Taking and giving back inodes. Metadata lock held, for all of this.
extension Volume {
  /// Takes a free inode for a new entry of `parent` and fills in what does not depend on the type. It is not
  /// stored yet, has no links, and no directory names it. ENOSPC when there is none.
  func allocateInode(
    in parent: Inode, mode: UInt16, userID: UInt32, groupID: UInt32
  ) throws(Ext4Error) -> Inode {
    let isDirectory = mode & 0o170000 == 0o040000
    let preferred = isDirectory ? groupForDirectory(in: parent) : group(of: parent.number)
    guard let number = try findFreeInode(from: preferred) else { throw .errno(.noSpace) }
    try requireStorable(number)
    // Where the first block of a directory, or of a long link, will be looked for.
    if [0o040000, 0o120000].contains(mode & 0o170000),
      descriptors.freeClusters(of: group(of: number)) > 0
    {
      try loadBlockBitmap(of: group(of: number))
    }
    bitmaps.markTaken(number)
    count(number, change: -1, isDirectory: isDirectory)
    // Not before: until something is changed, the step may begin again, and shall look in the same group.
    if isDirectory, spreads(parent) { nextTopLevelGroup &+= 1 }

    let raw = makeRawInode()
    let now = Timestamp.now
    let inode = Inode(number: number, volume: self, raw: raw)
    inode.generation = UInt32.random(in: 1...UInt32.max)
    if inodeSize > MemoryLayout<ext2_inode>.size {
      inode.extraFieldsSize = Int(geometry.extraInodeSize)
    }
    inode.mode = mode
    inode.userID = userID
    inode.groupID = groupID
    inode.accessTime = now
    inode.modificationTime = now
    inode.changeTime = now
    inode.setBirthTime(now)
    inode.flags = inheritedFlags(from: parent, mode: mode)
    inode.inheritProject(from: parent)
    inodes.insert(inode)
    return inode
  }

  /// Gives the inode back. It must have no blocks any more. One that is free already is noted as damage, and is not counted again
  /// (ext4_free_inode).
  func deallocateInode(_ inode: Inode) throws(Ext4Error) {
    guard geometry.isForFiles(inode.number) else {
      throw .corrupted(inode.number, what: "one of the file system's own inodes was to be freed")
    }
    let isKnown = try loadInodeBitmap(toFree: inode.number)
    let wasTaken = isKnown && bitmaps.isTaken(inode.number)
    inode.deletionTime = UInt32(truncatingIfNeeded: time(nil))
    inode.linkCount = 0
    try inode.store()
    inodes.remove(inode)
    guard isKnown else {
      return noteDamage(
        .corrupted(inode.number, what: "it is deleted and stays taken, as its bitmap is damaged"))
    }
    guard wasTaken else {
      return noteDamage(.corrupted(inode.number, what: "it was to be freed, and is free already"))
    }
    bitmaps.markFree(inode.number)
    count(inode.number, change: 1, isDirectory: inode.isDirectory)
  }

  /// Counts an inode that was taken or freed.
  private func count(_ inode: InodeNumber, change: Int64, isDirectory: Bool) {
    let isRight = descriptors.changeFreeInodes(of: inode, by: change, isDirectory: isDirectory)
    let free = superblock.freeInodes
    superblock.freeInodes = change < 0 ? free - min(free, 1) : free + 1
    superblock.markDirty()
    cache.noteChange()
    changedGroups.inodesChanged(in: group(of: inode))
    if !isRight {
      noteDamage(.corrupted(inode, what: "its group's descriptor and inode bitmap disagree"))
    }
  }

  @inline(__always)
  func group(of inode: InodeNumber) -> UInt32 { geometry.group(of: inode) }

  private func inheritedFlags(from parent: Inode, mode: UInt16) -> InodeFlags {
    let inherited = parent.flags.intersection(.inherited)
    switch mode & 0o170000 {
    case 0o040000: return inherited
    case 0o100000: return inherited.intersection(.regularFileMask)
    default: return inherited.intersection(.otherMask)
    }
  }

  /// The first free inode in `group`, or in one of the groups after it.
  private func findFreeInode(from group: UInt32) throws(Ext4Error) -> InodeNumber? {
    let groups = UInt64(geometry.groupCount)
    for step in 0..<groups {
      let candidate = UInt32((UInt64(group) + step) % groups)
      guard descriptors.freeInodes(of: candidate) > 0 else { continue }
      let range = geometry.inodes(of: candidate)
      let low = max(range.lowerBound, geometry.firstInode.rawValue)
      guard low <= range.upperBound else { continue }
      try loadInodeBitmap(of: candidate)
      while let number = bitmaps.firstFreeInode(in: low...range.upperBound) {
        // One that was only looked at, by a handle that was kept or a name that is damaged, is as free as the bitmap says.
        guard let inode = inodes[number], isInUse(inode) else { return number }
        // A second one with its number would write over it (insert_inode_locked in __ext4_new_inode).
        bitmaps.markTaken(number)
        noteDamage(.corrupted(inode.number, what: "it is in use, and free in its group's bitmap"))
      }
    }
    return nil
  }

  private func isInUse(_ inode: Inode) -> Bool {
    inode.linkCount > 0 || inodes.lookupCount(of: inode) > 0 || orphans.contains(inode.number)
  }

  /// Whether the directories in it are at the top.
  private func spreads(_ directory: Inode) -> Bool {
    directory.number == .root || directory.flags.contains(.topDirectory)
  }

  /// Directories at the top are spread over the file system; those below stay near their parent as long as
  /// its group is not fuller than the average (the idea of Orlov's allocator, fs/ext4/ialloc.c).
  private func groupForDirectory(in parent: Inode) -> UInt32 {
    let groups = geometry.groupCount
    let averageInodes = superblock.freeInodes / groups
    let averageBlocks = superblock.freeBlocks / UInt64(groups)
    let start = spreads(parent) ? nextTopLevelGroup % groups : group(of: parent.number)
    for step in 0..<groups {
      let candidate = UInt32((UInt64(start) + UInt64(step)) % UInt64(groups))
      let freeInodes = descriptors.freeInodes(of: candidate)
      let freeBlocks = descriptors.freeClusters(of: candidate)
      if freeInodes > 0, freeInodes >= averageInodes / 2, freeBlocks >= averageBlocks / 2 {
        return candidate
      }
    }
    return start
  }
}
