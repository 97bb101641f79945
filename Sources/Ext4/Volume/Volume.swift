import CExt2FS
import Glibc
import IomapCache
import Journal
import Synchronization
import SystemPackage

/// A mounted ext2, ext3 or ext4 file system.
///
/// Lock order: an inode's `io`, then `committing`, then `commitGate`, then `metadata`. libext2fs is not thread-safe: everything
/// that touches `fs`, `cache` or the on-disk form of an inode holds `metadata`. File data never passes under
/// it. Functions that want it held already say so; the others take it.
public final class Volume: @unchecked Sendable {
  /// How the file system is to behave.
  public struct Options: Sendable {
    public enum ErrorBehavior: Sendable { case carryOn, remountReadOnly, panic }

    public var readOnly = false
    /// Mount read-only although the journal holds transactions that are not replayed.
    public var noRecovery = false
    public var journal = JournalEnvironment()
    /// Nil: what the superblock says.
    public var onError: ErrorBehavior?
    /// Nil: what the superblock's default mount options say.
    public var accessControlLists: Bool?
    public var userAttributes: Bool?
    /// Subtract no metadata overhead from the size that statfs reports.
    public var minixDF = false
    /// New files get the group of their directory, whatever its set-group-ID bit. Nil: what the superblock's default mount options say.
    public var groupsFromDirectory: Bool?
    /// The user and group who may use the reserved blocks beside root. Nil: those that the superblock names.
    public var reserveUser: UInt32?
    public var reserveGroup: UInt32?
    /// The device is told of freed blocks before they may be taken again.
    public var discardsFreedBlocks = false
    /// Every change is on stable storage before it is acknowledged.
    public var synchronous = false
    /// The same, for changes to directories.
    public var synchronousDirectories = false
    /// What has been written reaches the disk before metadata that leads to it. Without, files may show what was on the disk before,
    /// after a crash, if the journal has a device of its own (data=writeback); with one device, one flush serves both.
    public var ordersData = true
    /// The device is flushed where the order of writes matters.
    public var usesBarriers = true
    public var cacheSizes = CacheSizes.standard
    /// Whether the process whose request the calling thread serves is being killed. Called often.
    public var isCallerGone: @Sendable () -> Bool = { false }
    /// Blocks of the inode table that are read together, a power of two; 0 and 1 for each by itself.
    public var inodeReadAheadBlocks: UInt32 = 32

    public init() {}
  }

  public let options: Options
  public let device: BlockDevice
  public let features: Features
  let geometry: Geometry
  /// Bytes a block, 1024 to 65,536.
  public let blockSize: Int
  /// Bytes an inode occupies in the inode table, 128 to the block size.
  public let inodeSize: Int
  public let onError: Options.ErrorBehavior
  /// The journal, whose log is empty when the volume is opened. Nil if there is none, or if it is not needed.
  let journal: OpenJournal?

  let fs: ext2_filsys
  let superblock: Superblock
  let descriptors: GroupDescriptors
  let bitmaps: AllocationBitmaps
  let cache: BlockCache
  let metadata: MetadataLock
  /// Held shared by a write between choosing new blocks and recording them, exclusively by a commit, so that
  /// no commit ever finds blocks taken whose data is not on its way to disk.
  let commitGate: ReadWriteLock
  /// Held by a commit: they come one after the other. Outside of the two locks above.
  let committing: MetadataLock
  let inodes: InodeTable
  let mappingBudget: MappingBudget
  /// Misses only, with the metadata lock held.
  let mappingStatistics = CacheStatistics()
  var inodeReadAhead: InodeReadAhead

  /// Where changes go first, if the file system has a journal and is mounted for writing. Set before the first change.
  var log: JournalLog? { cache.log }
  /// Blocks that changes under way, between two of their steps, may yet add to the running transaction. Metadata lock held.
  var promisedBlocks = 0
  /// Told when the running transaction, or the log, has become large. Set before the first change.
  let wantsCommit = Mutex<(@Sendable () -> Void)?>(nil)
  let isCommitWanted = Atomic<Bool>(false)
  /// How often data came from the kernel's cache, and whether any has come since the last commit.
  let writebacks = Atomic<UInt64>(0)
  let hasWriteback = Atomic<Bool>(false)

  /// The groups whose bitmaps or descriptors changed since the last commit. Metadata lock held.
  var changedGroups = ChangedGroups()
  var loadedBitmaps = LoadedBitmaps(groups: 0)
  /// Empty until the volume is open: the journal's inode, which is read before, lies in it.
  var systemZone = SystemZone([])
  /// Damage that was found and worked around, for the log. Metadata lock held.
  var damage: [Ext4Error] = []
  /// Blocks that were freed and may not be taken yet. Metadata lock held.
  var freed = FreedBlocks()
  /// For each trimmed group: the device has forgotten all its runs of so many or more free blocks. Metadata lock held.
  var trimmedGroups: [UInt32: UInt64] = [:]
  /// Called, without locks, before freed blocks may be taken again.
  var blocksReused: (@Sendable (_ offset: UInt64, _ length: UInt64) -> Void)?
  /// The number of the last commit, and of the last that is on stable storage.
  let lastCommit = Atomic<UInt64>(0)
  let durableCommit = Atomic<UInt64>(0)
  /// Whether the kernel moves the data of files, so that the daemon only says where it lies. Set before the first request.
  let volumeUsesIomap = Atomic<Bool>(false)
  /// The kernel has written data since the device was last flushed.
  let hasUnflushedData = Atomic<Bool>(false)
  /// There may be files with errors of writing their data that no caller has got yet.
  let hasPendingErrors = Atomic<Bool>(false)
  /// A write has found no room, and no writer has been told since that there is some.
  let isOutOfRoom = Atomic<Bool>(false)
  /// What a test has broken; 0 for nothing.
  let brokenPoint = Atomic<UInt8>(0)
  /// Between FREEZE and UNFREEZE: nothing is written to the device.
  let isFrozen = Atomic<Bool>(false)
  /// The device is not to be written any more, and every operation fails (SHUTDOWN).
  let isShutDown = Atomic<Bool>(false)
  /// Unlinked files that are still in use: the file system's own list of them. Metadata lock held.
  var orphans = OrphanList()
  var sharableBlocks = SharableAttributeBlocks()
  var sharableValues = SharableValues()
  /// Blocks that hold no files, once they have been counted. Metadata lock held.
  var knownOverhead: UInt64?
  /// Files with a write time that is not yet in their on-disk form. Its lock is an innermost one.
  let recentlyWritten = Mutex<[Inode]>([])
  /// What goes wrong in the background, for the next caller that asks for it.
  let health = Health()
  /// False once `fs` is gone.
  var isOpen = true
  /// Where changes stood when a step that failed had undone all of its own (`noteUndone`). Metadata lock held.
  var undoneChange: UInt64?
  /// Whether the file system was clean when it was mounted, so that it may be called so again.
  var wasClean = false
  /// Spreads directories over the groups (Orlov). Metadata lock held.
  var nextTopLevelGroup: UInt32 = 0

  init(
    options: Options, device: BlockDevice, cache: BlockCache, fs: ext2_filsys, geometry: Geometry,
    journal: OpenJournal?
  ) {
    self.options = options
    self.device = device
    metadata = MetadataLock(.metadata, of: device)
    commitGate = ReadWriteLock(.commitGate, of: device, prefersWriters: true)
    committing = MetadataLock(.committing, of: device)
    self.cache = cache
    inodes = InodeTable(capacity: options.cacheSizes.inodes)
    mappingBudget = MappingBudget(limit: options.cacheSizes.mappings)
    inodeReadAhead = InodeReadAhead(blockCount: options.inodeReadAheadBlocks)
    self.fs = fs
    self.geometry = geometry
    superblock = Superblock(fs, geometry)
    descriptors = GroupDescriptors(fs, geometry)
    bitmaps = AllocationBitmaps(of: fs)
    features = geometry.features
    self.journal = journal
    blockSize = geometry.blockSize
    inodeSize = geometry.inodeSize
    onError = options.onError ?? superblock.onError
  }

  /// What inodes can tell times apart by, in nanoseconds: those of 128 bytes have room for seconds only.
  public var timeGranularity: UInt32 {
    inodeSize > MemoryLayout<ext2_inode>.size ? 1 : 1_000_000_000
  }

  /// log2(`blockSize`).
  var blockShift: UInt64 { geometry.blockShift }

  /// Blocks in the file system.
  var blockCount: UInt64 { geometry.blockCount }

  /// True when `count` blocks from `first` on lie within the file system, behind the boot block.
  @inline(__always)
  func contains(_ first: BlockNumber, count: UInt64 = 1) -> Bool {
    geometry.contains(first, count: count)
  }

  /// True when files may have these blocks: they lie within the file system, and are not its own (ext4_inode_block_valid).
  func isForFiles(_ first: BlockNumber, count: UInt64 = 1) -> Bool {
    contains(first, count: count)
      && !systemZone.overlaps(first.rawValue..<first.rawValue + count)
  }

  /// The cached buffer of `block`, valid for as long as the metadata lock is held.
  func readBlock(_ block: BlockNumber, of inode: InodeNumber) throws(Ext4Error) -> BlockCache.Buffer
  {
    guard contains(block) else {
      throw .corrupted(inode, what: "a block number lies outside the file system")
    }
    do throws(Errno) {
      return try cache.read(block)
    } catch {
      throw .library(code: Int(error.rawValue), doing: "reading a metadata block", inode)
    }
  }

  /// The buffer of a block that was just allocated for metadata, all zeros. The caller fills it and marks it as dirty.
  func newBlock(_ block: BlockNumber, of inode: InodeNumber) throws(Ext4Error) -> BlockCache.Buffer
  {
    do throws(Errno) {
      let buffer = try cache.overwrite(block)
      memset(buffer.data, 0, blockSize)
      return buffer
    } catch {
      throw .library(code: Int(error.rawValue), doing: "preparing a metadata block", inode)
    }
  }

  /// Drops what has been read and not been used lately, where it takes too much memory. To be called where much is read without a commit: with
  /// the metadata lock held, and no buffer in use.
  func boundCache() {
    let limit = options.cacheSizes.blocks
    if cache.byteCount > limit + limit / 8 { cache.trim(to: limit) }
  }

  /// Whether changes are possible now: mounted for writing, and nothing has gone wrong that forbids it.
  public var isWritable: Bool { !options.readOnly && !health.isReadOnly && log?.isAborted != true }

  func requireWritable() throws(Ext4Error) {
    guard isWritable else { throw .errno(.readOnlyFileSystem) }
  }
}
