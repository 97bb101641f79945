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
    let opened = try openJournal(
      of: device, try checkSuperblock(of: device, options: options), options: options)
    let volume = try openLibrary(device, options: options, journal: opened?.0)
    do {
      volume.countFree()
      volume.findSystemZone()
      if !options.readOnly { try volume.makeBitmaps() }
      try volume.checkRoot()
    } catch {
      volume.discard()
      throw error
    }
    if let report = opened?.1 { report.tell(options.journal.warning) }
    return volume
  }

  /// The file system as libext2fs sees it, with its superblock and its group descriptors judged, and nothing else.
  ///
  /// `checksChecksums` is false before the journal has been replayed.
  static func openLibrary(
    _ device: BlockDevice, options: Options, checksChecksums: Bool = true,
    journal: OpenJournal? = nil
  ) throws(MountRefusal) -> Volume {
    let superblock = try checkSuperblock(of: device, options: options)
    let geometry = try Geometry(of: superblock, onDeviceOf: UInt64(device.byteCount))
    let cache = BlockCache(device: device)
    let fs = try Library.open(
      cache, superblock, isWritten: !options.readOnly, checksChecksums: checksChecksums)
    let volume = Volume(
      options: options, device: device, cache: cache, fs: fs, geometry: geometry, journal: journal)
    do {
      try DescriptorReading(
        device: device, geometry: geometry, checksChecksums: checksChecksums,
        allowsOverlaps: options.readOnly
      ).run(into: fs)
    } catch {
      volume.discard()
      throw error
    }
    return volume
  }

  /// Frees what libext2fs holds, writing nothing.
  func discard() {
    isOpen = false
    superblock.clearDirty()
    cache.dropChanges()
    bitmaps.discard()
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
  ) throws(MountRefusal) -> RawSuperblock {
    let superblock = try readSuperblock(of: device)
    guard superblock.hasMagic else {
      throw MountRefusal(
        "it holds no ext2, ext3 or ext4 file system (there is no superblock); if it is one whose "
          + "superblock is damaged, try e2fsck -b 32768")
    }
    guard superblock.revision <= 1 else {
      throw MountRefusal("its revision level \(superblock.revision) is unknown")
    }
    let features = superblock.features
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
    return superblock
  }

  private static func list(_ features: [String]) -> String {
    features.count == 1
      ? "the feature \(features[0])" : "the features \(features.joined(separator: ", "))"
  }

  /// What is free is what the groups say: the superblock's sums are brought up to date when it is written, which may have been long ago
  /// (ext4_count_free_clusters).
  func countFree() {
    (superblock.freeBlocks, superblock.freeInodes) = descriptors.sums()
  }

  private func findSystemZone() {
    let own = journal.flatMap { $0.isExternal ? nil : $0.area.runs } ?? []
    systemZone = SystemZone(geometry, descriptors, journal: own)
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
