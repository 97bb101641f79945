import CExt2FS
import Glibc
import Journal
import SystemPackage

/// Why a file system cannot be mounted, as a sentence for the person who tried.
public struct MountRefusal: Error, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

extension Volume {
  /// Opens the file system on `device`. Nothing is changed on disk before `startWriting`.
  public static func open(_ device: BlockDevice, options: Options) throws(MountRefusal) -> Volume {
    let features = try checkSuperblock(of: device, options: options)
    let cache = BlockCache(device: device)
    var opened: ext2_filsys?
    var flags = EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_SKIP_MMP
    if !options.readOnly { flags |= EXT2_FLAG_RW }
    let code = ext2fs_open2(IOManager.name(for: cache), nil, flags, 0, 0, IOManager.shared, &opened)
    guard code == 0, let fs = opened else {
      throw MountRefusal(
        "the file system's superblock or group descriptors cannot be used "
          + "(\(libraryMessage(code))); run e2fsck on it")
    }
    let volume = Volume(options: options, device: device, cache: cache, fs: fs, features: features)
    do {
      try volume.checkGeometry()
      try volume.checkJournal()
      if !options.readOnly { try volume.readBitmaps() }
      try volume.checkRoot()
    } catch {
      volume.discard()
      throw error
    }
    return volume
  }

  /// Frees what libext2fs holds, writing nothing.
  func discard() {
    isOpen = false
    fs.pointee.flags &= ~(EXT2_FLAG_DIRTY | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY)
    ext2fs_free(fs)
  }

  /// Reads the superblock by itself, before libext2fs does, to say exactly what is in the way.
  private static func checkSuperblock(
    of device: BlockDevice, options: Options
  ) throws(MountRefusal) -> Features {
    guard device.byteCount >= 2048 else {
      throw MountRefusal("it is too small to hold an ext2, ext3 or ext4 file system")
    }
    var superblock = ext2_super_block()
    do throws(Errno) {
      try withUnsafeMutableBytes(of: &superblock) { (bytes) throws(Errno) in
        try device.read(into: bytes, at: 1024)
      }
    } catch {
      throw MountRefusal("its superblock cannot be read: \(error)")
    }
    guard superblock.s_magic == UInt16(EXT2_SUPER_MAGIC) else {
      throw MountRefusal(
        "it holds no ext2, ext3 or ext4 file system (there is no superblock); if it is one whose "
          + "superblock is damaged, try e2fsck -b 32768")
    }
    guard superblock.s_rev_level <= 1 else {
      throw MountRefusal("its revision level \(superblock.s_rev_level) is unknown")
    }
    var features = Features(
      compatible: .init(rawValue: superblock.s_feature_compat),
      incompatible: .init(rawValue: superblock.s_feature_incompat),
      readOnlyCompatible: .init(rawValue: superblock.s_feature_ro_compat))
    if superblock.s_rev_level == 0 {
      features = Features(compatible: [], incompatible: [], readOnlyCompatible: [])
    }
    let unsupported = features.unsupported(forWriting: false)
    guard unsupported.isEmpty else {
      throw MountRefusal(
        "it uses \(list(unsupported)), which fuse4fs does not support; use the kernel's ext4 for it"
      )
    }
    if !options.readOnly {
      let unsupported = features.unsupported(forWriting: true)
      guard unsupported.isEmpty else {
        throw MountRefusal(
          "it uses \(list(unsupported)), which fuse4fs can only read; mount it with -o ro")
      }
      guard !features.incompatible.contains(.needsRecovery) else {
        throw MountRefusal(
          "its journal holds changes that were not yet replayed, as after a crash; run e2fsck -p on "
            + "it first, or mount it with -o ro,norecovery to look at it as it is")
      }
    } else if features.incompatible.contains(.needsRecovery), !options.noRecovery {
      throw MountRefusal(
        "its journal holds changes that were not yet replayed, as after a crash; run e2fsck -p on it "
          + "first, or add -o norecovery to see the file system without them")
    }
    return features
  }

  private static func list(_ features: [String]) -> String {
    features.count == 1
      ? "the feature \(features[0])" : "the features \(features.joined(separator: ", "))"
  }

  /// Where the group's metadata lies must be within the file system, as ext4_check_descriptors demands;
  /// and the file system within its device.
  private func checkGeometry() throws(MountRefusal) {
    let bytes = blockCount.multipliedReportingOverflow(by: UInt64(blockSize))
    guard !bytes.overflow, bytes.partialValue <= UInt64(device.byteCount) else {
      throw MountRefusal(
        "the file system has \(blockCount) blocks of \(blockSize) bytes, more than the "
          + "\(device.byteCount) bytes of its device; it may be cut off, or a partition or offset is "
          + "missing. Run e2fsck on it")
    }
    let tableBlocks = UInt64(fs.pointee.inode_blocks_per_group)
    for group in 0..<fs.pointee.group_desc_count {
      let blockBitmap = BlockNumber(ext2fs_block_bitmap_loc(fs, group))
      let inodeBitmap = BlockNumber(ext2fs_inode_bitmap_loc(fs, group))
      let table = BlockNumber(ext2fs_inode_table_loc(fs, group))
      guard contains(blockBitmap), contains(inodeBitmap), contains(table, count: tableBlocks) else {
        throw MountRefusal(
          "the descriptor of block group \(group) points outside the file system; run e2fsck on it")
      }
      guard ext2fs_group_desc_csum_verify(fs, group) != 0 else {
        throw MountRefusal(
          "the descriptor of block group \(group) has a wrong checksum; run e2fsck on it")
      }
    }
  }

  private func checkJournal() throws(MountRefusal) {
    guard features.compatible.contains(.hasJournal), !options.noRecovery else { return }
    let number = superblock.pointee.s_journal_inum
    guard number != 0 else { return }  // an external journal: the recovery flag has been looked at
    let found: JournalSuperblock?
    do throws(Ext4Error) {
      let inode = try inode(InodeNumber(number))
      guard let block = try inode.block(at: LogicalBlock(0)) else {
        throw .corrupted(inode.number, what: "the journal has no blocks")
      }
      let buffer = try readBlock(block, of: inode.number)
      found = JournalSuperblock(UnsafeRawBufferPointer(start: buffer.data, count: 1024))
    } catch {
      throw MountRefusal("its journal cannot be read (\(error.errno)); run e2fsck on it")
    }
    guard let found else {
      throw MountRefusal("its journal has no valid superblock; run e2fsck on it")
    }
    // The kernel replays a log that is not empty whatever the flag says.
    guard !found.needsRecovery || options.readOnly else {
      throw MountRefusal(
        "its journal holds changes that were not yet replayed; run e2fsck -p on it first, or mount it "
          + "with -o ro,norecovery")
    }
  }

  private func readBitmaps() throws(MountRefusal) {
    let code = ext2fs_read_bitmaps(fs)
    guard code == 0 else {
      throw MountRefusal(
        "its allocation bitmaps cannot be used (\(Self.libraryMessage(code))); run e2fsck on it, or "
          + "mount it with -o ro")
    }
  }

  private func checkRoot() throws(MountRefusal) {
    let root: Inode
    do throws(Ext4Error) {
      root = try inode(.root)
    } catch {
      throw MountRefusal("its root directory cannot be read (\(error.errno)); run e2fsck on it")
    }
    guard root.isDirectory, root.linkCount > 0 else {
      throw MountRefusal("its root is not a directory; run e2fsck on it")
    }
    // The kernel knows the root without having looked it up.
    inodes.reference(root)
  }

  public static func libraryMessage(_ code: errcode_t) -> String {
    String(cString: error_message(code))
  }
}

extension Volume {
  /// Marks the file system as in use, and finishes what an interrupted earlier mount left undone. Returns
  /// warnings for the person who mounts.
  public func startWriting() throws(Ext4Error) -> [String] {
    guard !options.readOnly else { return [] }
    return try metadata.withLock { () throws(Ext4Error) -> [String] in
      try beginWriting()
    }
  }

  private func beginWriting() throws(Ext4Error) -> [String] {
    watchBlockAllocation()
    var warnings: [String] = []
    let state = superblock.pointee.s_state
    wasClean = state & UInt16(EXT2_VALID_FS) != 0 && state & UInt16(EXT2_ERROR_FS) == 0
    if state & UInt16(EXT2_ERROR_FS) != 0 {
      warnings.append("the file system has recorded errors; run e2fsck on it soon")
    } else if !wasClean {
      warnings.append("the file system was not unmounted cleanly; run e2fsck on it soon")
    }
    superblock.pointee.s_state &= ~UInt16(EXT2_VALID_FS)
    superblock.pointee.s_mtime = UInt32(truncatingIfNeeded: time(nil))
    superblock.pointee.s_mnt_count &+= 1
    ext2fs_mark_super_dirty(fs)
    try commitLocked()
    if superblock.pointee.s_last_orphan != 0 {
      if state & UInt16(EXT2_ERROR_FS) == 0 {
        let (deleted, truncated) = try processOrphans()
        if deleted + truncated > 0 {
          warnings.append(
            "finished the deletion of \(deleted) and the truncation of \(truncated) files that an "
              + "interrupted mount had left")
        }
      } else {
        warnings.append("deleted files are left for e2fsck, since the file system has errors")
      }
    }
    return warnings
  }

  /// Writes everything, marks the file system as it was found (clean, if it was), and lets go of it. No
  /// other call may follow or be under way.
  public func close() throws(Ext4Error) {
    defer { discard() }
    guard isWritable else { return }
    try metadata.withLock { () throws(Ext4Error) in
      do throws(Ext4Error) {
        try finishWriting()
      } catch {
        noteLocked(error)
        // `note` has nothing to write to from here on.
        health.becomeReadOnly()
        throw error
      }
    }
  }

  private func finishWriting() throws(Ext4Error) {
    try freeAllOrphans()
    compactChangedTrees()
    try commitLocked()
    try synchronizeDevice()
    if wasClean, superblock.pointee.s_state & UInt16(EXT2_ERROR_FS) == 0 {
      superblock.pointee.s_state |= UInt16(EXT2_VALID_FS)
    }
    ext2fs_mark_super_dirty(fs)
    try commitLocked()
    try synchronizeDevice()
  }

  /// A tree that is damaged keeps nothing else from being written. Metadata lock held.
  private func compactChangedTrees() {
    for inode in inodes.withChangedExtentTree where inode.linkCount > 0 {
      do throws(Ext4Error) {
        try inode.compactExtentTree()
      } catch {
        noteLocked(error)
      }
    }
  }
}
