import CExt2FS
import Glibc
import Journal
import SystemPackage

/// Why a file system cannot be mounted, as a sentence for the person who tried.
public struct MountRefusal: Error, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

extension Volume {
  /// Opens the file system on `device`, with its journal replayed: read-only, too, if the device can be written. Apart from that
  /// nothing is changed on disk before `startWriting`.
  public static func open(_ device: BlockDevice, options: Options) throws(MountRefusal) -> Volume {
    _ = try checkSuperblock(of: device, options: options)
    let opened = try openJournal(of: device, try readSuperblock(of: device), options: options)
    // After the replay: what it says may have changed.
    let features = try checkSuperblock(of: device, options: options)
    let volume = try openLibrary(
      device, options: options, features: features, flags: options.readOnly ? 0 : EXT2_FLAG_RW,
      journal: opened?.0)
    do {
      try volume.checkGeometry()
      if !options.readOnly { try volume.makeBitmaps() }
      try volume.checkRoot()
    } catch {
      volume.discard()
      throw error
    }
    if let report = opened?.1 { report.tell(options.journal.warning) }
    return volume
  }

  /// The file system as libext2fs sees it, not checked any further.
  static func openLibrary(
    _ device: BlockDevice, options: Options, features: Features, flags: CInt,
    journal: OpenJournal? = nil
  ) throws(MountRefusal) -> Volume {
    let cache = BlockCache(device: device)
    var opened: ext2_filsys?
    let flags = flags | EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_SKIP_MMP
    let code = ext2fs_open2(IOManager.name(for: cache), nil, flags, 0, 0, IOManager.shared, &opened)
    guard code == 0, let fs = opened else {
      throw MountRefusal(
        "the file system's superblock or group descriptors cannot be used "
          + "(\(libraryMessage(code))); run e2fsck on it")
    }
    return Volume(
      options: options, device: device, cache: cache, fs: fs, features: features, journal: journal)
  }

  /// Frees what libext2fs holds, writing nothing.
  func discard() {
    isOpen = false
    fs.pointee.flags &= ~(EXT2_FLAG_DIRTY | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY)
    cache.dropChanges()
    ext2fs_free(fs)
  }

  static func readSuperblock(of device: BlockDevice) throws(MountRefusal) -> RawSuperblock {
    guard device.byteCount >= 2048 else {
      throw MountRefusal("it is too small to hold an ext2, ext3 or ext4 file system")
    }
    do throws(Errno) {
      return try RawSuperblock(of: device)
    } catch {
      throw MountRefusal("its superblock cannot be read: \(error)")
    }
  }

  /// Looks at the superblock by itself, before libext2fs does, to say exactly what is in the way.
  static func checkSuperblock(
    of device: BlockDevice, options: Options
  ) throws(MountRefusal) -> Features {
    let raw = try readSuperblock(of: device)
    let superblock = raw.fields
    guard superblock.s_magic == UInt16(EXT2_SUPER_MAGIC) else {
      throw MountRefusal(
        "it holds no ext2, ext3 or ext4 file system (there is no superblock); if it is one whose "
          + "superblock is damaged, try e2fsck -b 32768")
    }
    guard superblock.s_rev_level <= 1 else {
      throw MountRefusal("its revision level \(superblock.s_rev_level) is unknown")
    }
    let features = raw.features
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
