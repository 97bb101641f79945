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
      ext2fs_bg_free_blocks_count(fs, group(of: number)) > 0
    {
      try loadBlockBitmap(of: group(of: number))
    }
    ext2fs_inode_alloc_stats2(fs, number.rawValue, 1, isDirectory ? 1 : 0)
    inodesChanged(in: group(of: number))

    let raw = makeRawInode()
    let now = Timestamp.now
    raw.pointee.i_generation = UInt32.random(in: 1...UInt32.max)
    let inode = Inode(number: number, volume: self, raw: raw)
    if inodeSize > MemoryLayout<ext2_inode>.size {
      raw.pointee.i_extra_isize = extraInodeSize
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

  /// Gives the inode back. It must have no blocks any more.
  func deallocateInode(_ inode: Inode) throws(Ext4Error) {
    try loadInodeBitmap(of: group(of: inode.number))
    inode.deletionTime = UInt32(truncatingIfNeeded: time(nil))
    inode.linkCount = 0
    try inode.store()
    ext2fs_inode_alloc_stats2(fs, inode.number.rawValue, -1, inode.isDirectory ? 1 : 0)
    inodesChanged(in: group(of: inode.number))
    inodes.remove(inode)
  }

  private func inodesChanged(in group: UInt32) {
    cache.noteChange()
    changedGroups.inodesChanged(in: group)
  }

  func group(of inode: InodeNumber) -> UInt32 {
    (inode.rawValue - 1) / max(superblock.pointee.s_inodes_per_group, 1)
  }

  /// What new inodes keep free behind the classic 128 bytes for fixed fields: what the superblock asks for,
  /// at least the fields that this version knows (ext4_fill_super, s_want_extra_isize).
  var extraInodeSize: UInt16 {
    let known = UInt16(MemoryLayout<ext2_inode_large>.size - MemoryLayout<ext2_inode>.size)
    let wanted = max(
      superblock.pointee.s_want_extra_isize, superblock.pointee.s_min_extra_isize, known)
    let limit = inodeSize - MemoryLayout<ext2_inode>.size
    return Int(wanted) <= limit && wanted % 4 == 0 ? wanted : known
  }

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
    let groups = fs.pointee.group_desc_count
    let perGroup = superblock.pointee.s_inodes_per_group
    let firstUsable = max(superblock.pointee.s_first_ino, 11)
    for step in 0..<groups {
      let candidate = (group + step) % groups
      guard ext2fs_bg_free_inodes_count(fs, candidate) > 0 else { continue }
      let low = max(candidate * perGroup + 1, firstUsable)
      let high = (candidate + 1) * perGroup
      guard low <= high else { continue }
      try loadInodeBitmap(of: candidate)
      var found: ext2_ino_t = 0
      if ext2fs_find_first_zero_inode_bitmap2(fs.pointee.inode_map, low, high, &found) == 0 {
        return InodeNumber(found)
      }
    }
    return nil
  }

  /// Directories at the top are spread over the file system; those below stay near their parent as long as
  /// its group is not fuller than the average (the idea of Orlov's allocator, fs/ext4/ialloc.c).
  private func groupForDirectory(in parent: Inode) -> UInt32 {
    let groups = fs.pointee.group_desc_count
    let averageInodes = superblock.pointee.s_free_inodes_count / max(groups, 1)
    let averageBlocks = ext2fs_free_blocks_count(superblock) / UInt64(max(groups, 1))
    let isTop = parent.number == .root || parent.flags.contains(.topDirectory)
    var start = group(of: parent.number)
    if isTop {
      start = nextTopLevelGroup % groups
      nextTopLevelGroup &+= 1
    }
    for step in 0..<groups {
      let candidate = (start + step) % groups
      let freeInodes = ext2fs_bg_free_inodes_count(fs, candidate)
      let freeBlocks = UInt64(ext2fs_bg_free_blocks_count(fs, candidate))
      if freeInodes > 0, freeInodes >= averageInodes / 2, freeBlocks >= averageBlocks / 2 {
        return candidate
      }
    }
    return start
  }
}
