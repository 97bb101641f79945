import CExt2FS
import Glibc
import IomapCache
import Journal
import Synchronization

/// An inode in memory: its on-disk form, and what is cached about it.
///
/// Lock order: `io`, then the volume's `commitGate`, then its `metadata` lock. The on-disk form (`raw` and
/// everything computed from it) belongs to the metadata lock; the mappings and the data that they lead to
/// belong to `io`.
public final class Inode: @unchecked Sendable {
  public let number: InodeNumber
  /// Outlives every inode that is used: the volume's table owns them. Not checked, since each use would count references.
  unowned(unsafe) let volume: Volume

  /// The inode as it stands in the inode table, `volume.inodeSize` bytes of it.
  let raw: UnsafeMutablePointer<ext2_inode_large>

  /// Shared by reads and by writes into blocks that the file already has; exclusive for whatever changes
  /// the file's size or blocks.
  let io: ReadWriteLock
  /// What is known of where the file's bytes live. Changed under `io` held exclusively, or filled in from
  /// disk under the metadata lock. Any thread may drop it. Its own lock only keeps concurrent readers apart.
  let mappings = FileMappings()
  /// How many of the volume's mappings in memory are known to be this file's.
  let accountedMappings = Atomic<Int>(0)
  private let budget: MappingBudget
  /// The size in bytes, readable under `io` without the metadata lock.
  let sizeInBytes: Atomic<UInt64>
  /// When data was last written without the kernel keeping the time, in nanoseconds since 1970; 0 for
  /// never. Folded into the on-disk form at the next occasion.
  let lastWrite = Atomic<Int64>(0)
  /// The file's data lies in the inode itself. Changed under `io` held exclusively.
  let hasInlineData: Atomic<Bool>
  /// The inode has the flag for data in the journal. Changed under `io` held exclusively, and the metadata lock.
  let hasJournalFlag: Atomic<Bool>
  /// Until when, in seconds since 1970, reading leaves the access time alone with `relatime`; 0 when that has to be worked out.
  let accessCurrentUntil = Atomic<Int64>(0)
  let writeBehind = WriteBehind()
  public let pageCache = PageCacheState()
  /// Blocks were taken for data since the kernel was last told.
  let hasNewBlocks = Atomic<Bool>(false)
  /// The kernel has been told the attributes, and has not been told since that they have changed.
  let attributesAreKnown = Atomic<Bool>(false)
  /// The kernel's cached data for this file found no room: the next writer must get ENOSPC.
  let isStarved = Atomic<Bool>(false)
  /// True unless the inode is known to have no `security.capability`, which a write must remove.
  let mayHaveCapability = Atomic<Bool>(true)

  /// The extent tree has changed and may have more nodes than it needs. Changed under the metadata lock.
  let extentTreeChanged = Atomic<Bool>(false)

  /// The inode has lost its last name; it is freed when it is no longer used.
  let isUnlinked = Atomic<Bool>(false)

  /// No name leads to the inode, which lives for as long as it is used.
  public var hasNoName: Bool { isUnlinked.load(ordering: .acquiring) }

  /// The inode was made without a name, and none was given to it yet. Belongs to the metadata lock.
  var mayGetFirstName = false

  /// The kernel moves the file's data itself and asks for mappings: decided when it first learns of the inode, and so until it
  /// has forgotten it. Changed under the inode table's lock.
  let isServedByIomap = Atomic<Bool>(false)
  /// The daemon has written data of the file that the kernel may not find where it would look for it.
  let hasServerData = Atomic<Bool>(false)
  /// How often the kernel has the file open, in iomap mode.
  let openCount = Atomic<Int>(0)
  /// An error (errno) of writing the file's data that no caller has got yet; 0 for none.
  let pendingError = Atomic<CInt>(0)
  /// The commit that will contain, or contains, the last change of the inode.
  let lastChange = Atomic<UInt64>(0)
  /// Blocks taken ahead of a growing file, beyond what was asked for. Changed under the metadata lock.
  var preallocation: Range<UInt64>?
  /// The arrays of pointers that a removal of blocks, which is not done yet, has freed. Belongs to the metadata lock.
  var removedArrays: Set<BlockNumber> = []
  let hasPreallocation = Atomic<Bool>(false)
  /// The blocks ahead are about to be freed, unless the file is used before. Set under `io`, held exclusively.
  let isTrimAnnounced = Atomic<Bool>(false)
  /// What the kernel has been told of the file's mappings.
  public let published = Mutex(PublishedMappings())

  /// What is known of a directory beside what its blocks say. Belongs to the metadata lock.
  var directoryHints = DirectoryHints()

  /// The generation that the kernel knows the inode by, if it has changed since. Belongs to the metadata lock.
  var knownGeneration: UInt32?

  /// How many times the kernel has been given this inode and has not yet forgotten it. Belongs to the
  /// inode table's lock.
  var lookupCount: UInt64 = 0
  /// Used since the table last looked for inodes to drop. Belongs to its lock.
  var wasUsed = true

  /// Whether reading the inode again would bring back all that is known of it, except what is cached. The metadata lock and the inode
  /// table's lock are held, and the table has the only reference to the object.
  var isAsOnDisk: Bool {
    !isUnlinked.load(ordering: .relaxed) && linkCount > 0
      && lastWrite.load(ordering: .relaxed) == 0
      && !extentTreeChanged.load(ordering: .relaxed)
      && !hasPreallocation.load(ordering: .relaxed) && !hasNewBlocks.load(ordering: .relaxed)
      && !isStarved.load(ordering: .relaxed) && pendingError.load(ordering: .relaxed) == 0
      && !isServedByIomap.load(ordering: .relaxed) && !hasServerData.load(ordering: .relaxed)
      && openCount.load(ordering: .relaxed) == 0 && knownGeneration == nil
      && lookupCount <= UInt64(UInt32.max)
  }

  /// Takes over `raw`, which must have been allocated with room for the volume's inode size and for
  /// `ext2_inode_large`.
  init(number: InodeNumber, volume: Volume, raw: UnsafeMutablePointer<ext2_inode_large>) {
    self.number = number
    self.volume = volume
    io = ReadWriteLock(.inode, of: volume.device)
    budget = volume.mappingBudget
    self.raw = raw
    sizeInBytes = Atomic(Self.size(raw, volume.features))
    hasInlineData = Atomic(raw.pointee.i_flags & InodeFlags.inlineData.rawValue != 0)
    hasJournalFlag = Atomic(raw.pointee.i_flags & InodeFlags.journalData.rawValue != 0)
  }

  deinit {
    budget.release(accountedMappings.load(ordering: .relaxed))
    raw.deallocate()
  }

  /// Writes the on-disk form to the inode table (in memory, until the next commit). Metadata lock held.
  func store() throws(Ext4Error) {
    // Also when it fails: what it was to store stands in memory.
    volume.cache.noteChange()
    let code = raw.withMemoryRebound(to: ext2_inode.self, capacity: 1) {
      ext2fs_write_inode_full(volume.fs, number.rawValue, $0, CInt(volume.inodeSize))
    }
    try check(code, "writing the inode", number)
    lastChange.store(volume.lastCommit.load(ordering: .relaxed) + 1, ordering: .releasing)
  }

  /// Reads the on-disk form again, after libext2fs has changed it behind our back. Metadata lock held.
  func reload() throws(Ext4Error) {
    let code = raw.withMemoryRebound(to: ext2_inode.self, capacity: 1) {
      ext2fs_read_inode_full(volume.fs, number.rawValue, $0, CInt(volume.inodeSize))
    }
    try check(code, "reading the inode", number)
    sizeInBytes.store(Self.size(raw, volume.features), ordering: .releasing)
    hasInlineData.store(flags.contains(.inlineData), ordering: .releasing)
    hasJournalFlag.store(flags.contains(.journalData), ordering: .releasing)
  }

  /// Calls `body` with the on-disk form as most of libext2fs wants it.
  @inline(__always)
  func withRaw<R>(_ body: (UnsafeMutablePointer<ext2_inode>) -> R) -> R {
    raw.withMemoryRebound(to: ext2_inode.self, capacity: 1, body)
  }
}

// The fields of the on-disk form. Metadata lock held, for all of them.
extension Inode {
  public var mode: UInt16 {
    get { raw.pointee.i_mode }
    set { raw.pointee.i_mode = newValue }
  }

  public var fileType: FileType? { FileType(mode: mode) }
  public var isDirectory: Bool { mode & 0o170000 == 0o040000 }
  public var isRegularFile: Bool { mode & 0o170000 == 0o100000 }
  public var isSymbolicLink: Bool { mode & 0o170000 == 0o120000 }

  public var flags: InodeFlags {
    get { InodeFlags(rawValue: raw.pointee.i_flags) }
    set {
      raw.pointee.i_flags = newValue.rawValue
      hasJournalFlag.store(newValue.contains(.journalData), ordering: .releasing)
    }
  }

  public var userID: UInt32 {
    get { UInt32(raw.pointee.osd2.linux2.l_i_uid_high) << 16 | UInt32(raw.pointee.i_uid) }
    set {
      raw.pointee.i_uid = UInt16(truncatingIfNeeded: newValue)
      raw.pointee.osd2.linux2.l_i_uid_high = UInt16(newValue >> 16)
    }
  }

  public var groupID: UInt32 {
    get { UInt32(raw.pointee.osd2.linux2.l_i_gid_high) << 16 | UInt32(raw.pointee.i_gid) }
    set {
      raw.pointee.i_gid = UInt16(truncatingIfNeeded: newValue)
      raw.pointee.osd2.linux2.l_i_gid_high = UInt16(newValue >> 16)
    }
  }

  /// Bytes. A change reaches the data path at once.
  public var size: UInt64 {
    get { Self.size(raw, volume.features) }
    set {
      raw.pointee.i_size = UInt32(truncatingIfNeeded: newValue)
      raw.pointee.i_size_high = UInt32(newValue >> 32)
      sizeInBytes.store(newValue, ordering: .releasing)
    }
  }

  /// `i_links_count`; for a directory with more subdirectories than fit, 1 (dir_nlink).
  public var linkCount: UInt16 {
    get { raw.pointee.i_links_count }
    set { raw.pointee.i_links_count = newValue }
  }

  public internal(set) var generation: UInt32 {
    get { raw.pointee.i_generation }
    set { raw.pointee.i_generation = newValue }
  }

  /// What `st_blocks` reports: 512-byte sectors.
  public var sectorCount: UInt64 {
    var count = UInt64(raw.pointee.i_blocks)
    guard volume.features.readOnlyCompatible.contains(.hugeFile) else { return count }
    count |= UInt64(raw.pointee.osd2.linux2.l_i_blocks_hi) << 32
    return flags.contains(.hugeFile) ? count * UInt64(volume.blockSize / 512) : count
  }

  /// The block that holds extended attributes; nil for none. Without the 64bit feature its number has 32 bits (ext4_iget).
  var attributeBlock: UInt64? {
    let isWide = volume.features.incompatible.contains(.wideBlockNumbers)
    let high = isWide ? UInt64(raw.pointee.osd2.linux2.l_i_file_acl_high) << 32 : 0
    let block = high | UInt64(raw.pointee.i_file_acl)
    return block == 0 ? nil : block
  }

  /// Deletion time, or the next inode of the orphan list while the inode is on it.
  var deletionTime: UInt32 {
    get { raw.pointee.i_dtime }
    set { raw.pointee.i_dtime = newValue }
  }

  /// The device of a character or block special file, in the kernel's `new_encode_dev` form.
  public var deviceNumber: UInt32 {
    let old = raw.pointee.i_block.0
    let new = raw.pointee.i_block.1
    guard old != 0 else { return new }
    return (old & 0xFF00) | (old & 0xFF)
  }

  func setDeviceNumber(_ device: UInt32) {
    let major = (device >> 8) & 0xFFF
    let minor = (device & 0xFF) | ((device >> 12) & 0xFFF00)
    // old_valid_dev (include/linux/kdev_t.h): both numbers fit into 8 bits.
    if major < 256, minor < 256 {
      raw.pointee.i_block.0 = major << 8 | minor
      raw.pointee.i_block.1 = 0
    } else {
      raw.pointee.i_block.0 = 0
      raw.pointee.i_block.1 = device
    }
  }
}
