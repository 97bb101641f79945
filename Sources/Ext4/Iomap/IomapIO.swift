import IomapCache
import Journal
import Synchronization
import SystemPackage

// Whether the kernel or the daemon moves the data of a file. If the kernel does ("iomap mode"), the daemon only says where it lies: it writes
// no byte of it, zeroes nothing, and keeps no times that the kernel keeps.

extension Volume {
  /// From now on the kernel moves the data of the files that it gets to know. To be called before the first request.
  public func letKernelMoveData() {
    volumeUsesIomap.store(true, ordering: .releasing)
  }

  /// The largest file that any map of this file system can describe, in bytes: 2^32 - 1 blocks, or as many sectors where
  /// `i_blocks` counts those (ext4_max_size).
  public var maximumMappedBytes: UInt64 {
    let blockSize = UInt64(blockSize)
    let blocks = UInt64(UInt32.max) * blockSize
    guard !features.readOnlyCompatible.contains(.hugeFile) else {
      return min(blocks, Int64.max.magnitude)
    }
    return min(blocks, UInt64(UInt32.max) * 512 / blockSize * blockSize)
  }

  /// The kernel or the daemon has written data since the device was last flushed. To be called when it is on its way.
  @inline(__always)
  func noteUnflushedData() {
    if !hasUnflushedData.load(ordering: .acquiring) {
      hasUnflushedData.store(true, ordering: .releasing)
    }
  }

  /// The inode, if the kernel refers to it.
  public func knownNode(_ number: InodeNumber) -> Inode? { inodes.referenced(number) }

  /// The inodes that the kernel refers to.
  public var knownNodes: [Inode] { inodes.allReferenced }
  /// The numbers of these and of all others that the kernel refers to.
  public var knownNumbers: [InodeNumber] { inodes.allReferencedNumbers }

  /// What identifies the file system: 16 bytes.
  public var uuid: [UInt8] {
    metadata.withLock { superblock.uuid }
  }
}

extension Inode {
  /// Whether the kernel may move the file's data, if it now learns of the inode. Data that lies in the inode itself is served by
  /// the daemon until the kernel has forgotten the inode, even if it moves to blocks meanwhile. Metadata lock held.
  var suitsKernel: Bool {
    volume.volumeUsesIomap.load(ordering: .acquiring) && isRegularFile
      && !flags.contains(.inlineData) && !flags.contains(.journalData)
      && !hasServerData.load(ordering: .acquiring)
  }

  /// The daemon has written data of the file. Before the kernel may move it, it must be on the device, and gone from the
  /// device's page cache, which the kernel's way to the data does not pass. Called when the kernel has forgotten the inode.
  func handOverData() throws(Ext4Error) {
    guard hasServerData.load(ordering: .acquiring) else { return }
    try volume.synchronizeDevice()
    try io.withReadLock { () throws(Ext4Error) in
      var walk = MappingWalk(over: self)
      var position = FileOffset(0)
      while position < mapEnd, !hasInlineData.load(ordering: .relaxed) {
        let mapping = try mapping(at: position)
        if mapping.kind.hasBlocks {
          let first = BlockNumber(mapping.address.rawValue >> volume.blockShift)
          volume.forgetDeviceCopies(
            of: BlockRun(first: first, count: mapping.length >> volume.blockShift))
        }
        position = try walk.pass(mapping, from: position)
      }
    }
    hasServerData.store(false, ordering: .releasing)
  }

  /// To be called before the daemon writes data of the file.
  func noteServerData() {
    if volume.volumeUsesIomap.load(ordering: .relaxed) {
      hasServerData.store(true, ordering: .releasing)
    }
  }

  /// How many of the file's mappings are in memory.
  public var knownMappingCount: Int { mappings.count }

  /// Bytes, as the inode on disk (or on its way there) says.
  public var sizeOnDisk: UInt64 { sizeInBytes.load(ordering: .acquiring) }

  /// Whether the kernel checks permissions, flags and ACLs of the inode by itself. It does not for the root, which it knows
  /// before it knows that it is to manage anything.
  public var isManagedByKernel: Bool {
    volume.volumeUsesIomap.load(ordering: .acquiring) && number != .root
  }

  /// Whether the kernel asks for mappings of this file.
  public var usesIomap: Bool { isServedByIomap.load(ordering: .acquiring) }

  /// EIO where the kernel moves the data: a second way to it would go behind the kernel's back.
  func requireOwnData() throws(Ext4Error) {
    guard !isServedByIomap.load(ordering: .acquiring) else { throw .errno(.ioError) }
  }
}
