import CExt2FS
import Journal

/// The shape of a file system: what its superblock says once and for all.
///
/// It is judged before anything is read through it, as by ext4_fill_super and e2fsck (check_super_block). Ext2fs_open2 demands less: it
/// takes groups that have more blocks than a bitmap has bits, and reads the descriptors of any number of groups. What comes out of here
/// fits together, and can be calculated with.
struct Geometry: Sendable {
  let features: Features
  /// Bytes, 1024 to 65,536.
  let blockSize: Int
  /// log2(`blockSize`).
  let blockShift: UInt64
  /// log2 of the blocks in a cluster, for which the block bitmaps have one bit.
  let clusterShift: UInt64
  let blockCount: UInt64
  /// Where the groups begin: 1 if a block holds nothing but the boot sectors, or else 0.
  let firstDataBlock: UInt64
  let blocksPerGroup: UInt64
  /// Not more than a block has bits.
  let clustersPerGroup: UInt64
  let groupCount: UInt32
  /// Not more than a block has bits, and at least a block full of them.
  let inodesPerGroup: UInt32
  /// `groupCount` times `inodesPerGroup`.
  let inodeCount: UInt32
  /// Bytes an inode occupies in the inode table, 128 to the block size.
  let inodeSize: Int
  let inodesPerBlock: UInt32
  /// Blocks of a group's inode table.
  let inodeTableBlocks: UInt64
  /// The first that files may have, 11 or more; those before are the file system's own.
  let firstInode: InodeNumber
  /// Nil where the journal is on another device, or there is none.
  let journalInode: InodeNumber?
  /// Bytes that new inodes keep free behind the classic 128 for fixed fields, and bytes that all are to have.
  let extraInodeSize: UInt16
  let minimumExtraInodeSize: Int
  let descriptors: DescriptorLayout
  let hash: DirectoryHashSettings

  /// The file system is on a device of `byteCount` bytes.
  init(of superblock: RawSuperblock, onDeviceOf byteCount: UInt64) throws(MountRefusal) {
    features = superblock.features
    guard !superblock.hasFeaturesWithoutRevision else {
      throw Self.refusal("it has features, which its revision 0 does not know")
    }
    let logSize = try Self.value(superblock[\.s_log_block_size], 0...6, "s_log_block_size")
    blockSize = 1024 << Int(logSize)
    blockShift = UInt64(10 + logSize)
    let hasClusters = features.readOnlyCompatible.contains(.clusters)
    let logClusterSize = try Self.value(
      superblock[\.s_log_cluster_size], logSize...(hasClusters ? 19 : logSize), "s_log_cluster_size"
    )
    clusterShift = UInt64(logClusterSize - logSize)

    blockCount = try Self.value(
      superblock.blockCount, 1...(1 << 48) - 1, "s_blocks_count")
    guard blockCount <= byteCount >> blockShift else {
      throw MountRefusal(
        "the file system has \(blockCount) blocks of \(blockSize) bytes, more than the "
          + "\(byteCount) bytes of its device; it may be cut off, or a partition or offset is "
          + "missing. Run e2fsck on it")
    }
    let hasBootBlock: UInt32 = blockSize == 1024 && clusterShift == 0 ? 1 : 0
    firstDataBlock = UInt64(
      try Self.value(
        superblock[\.s_first_data_block], hasBootBlock...hasBootBlock, "s_first_data_block"))
    guard firstDataBlock < blockCount else { throw Self.refusal("it has no blocks") }

    let bits = UInt32(8 * blockSize)
    clustersPerGroup = UInt64(
      try Self.value(
        superblock[\.s_clusters_per_group], 8...min(bits, 65_528), "s_clusters_per_group"))
    let expected = clustersPerGroup << clusterShift
    guard expected <= UInt64(UInt32.max) else {
      throw Self.refusal("s_clusters_per_group does not fit its clusters")
    }
    blocksPerGroup = UInt64(
      try Self.value(
        superblock[\.s_blocks_per_group], UInt32(expected)...UInt32(expected), "s_blocks_per_group")
    )
    let groups = (blockCount - firstDataBlock + blocksPerGroup - 1) / blocksPerGroup
    guard groups <= UInt64(UInt32.max) else { throw Self.refusal("it has too many block groups") }
    groupCount = UInt32(groups)

    let hasRevision = superblock.revision > 0
    let size = hasRevision ? superblock[\.s_inode_size] : Unchecked(128)
    inodeSize = Int(
      try Self.value(size, 128...UInt16(min(blockSize, 32_768)), "s_inode_size"))
    guard inodeSize.nonzeroBitCount == 1 else {
      throw Self.refusal("s_inode_size is \(inodeSize), which is no power of two")
    }
    inodesPerBlock = UInt32(blockSize / inodeSize)
    inodesPerGroup = try Self.value(
      superblock[\.s_inodes_per_group], inodesPerBlock...min(bits, 65_536), "s_inodes_per_group")
    inodeTableBlocks = UInt64((inodesPerGroup + inodesPerBlock - 1) / inodesPerBlock)
    let inodes = groups * UInt64(inodesPerGroup)
    guard inodes <= UInt64(UInt32.max) else { throw Self.refusal("it has too many inodes") }
    inodeCount = try Self.value(
      superblock[\.s_inodes_count], UInt32(inodes)...UInt32(inodes), "s_inodes_count")
    // Every group has two bitmaps and a table.
    guard groups * (2 + inodeTableBlocks) <= blockCount else {
      throw Self.refusal("its \(groups) block groups have no room for their own metadata")
    }
    firstInode = InodeNumber(
      hasRevision
        ? try Self.value(superblock[\.s_first_ino], 11...max(inodeCount, 11), "s_first_ino") : 11)
    journalInode = superblock.journalInode
    (extraInodeSize, minimumExtraInodeSize) = Self.extraSizes(superblock, inodeSize: inodeSize)

    descriptors = try DescriptorLayout(
      of: superblock, blockSize: blockSize, groupCount: groupCount)
    guard firstDataBlock + 1 + UInt64(descriptors.contiguousBlocks) < blockCount else {
      throw Self.refusal("its group descriptors reach beyond its end")
    }
    _ = try Self.value(superblock[\.s_log_groups_per_flex], 0...31, "s_log_groups_per_flex")
    hash = DirectoryHashSettings(of: superblock)
  }

  /// What the superblock asks for, at least the fields that this version knows (ext4_fill_super, s_want_extra_isize).
  private static func extraSizes(
    _ superblock: RawSuperblock, inodeSize: Int
  ) -> (wanted: UInt16, demanded: Int) {
    let classic = MemoryLayout<ext2_inode>.size
    guard inodeSize > classic else { return (0, 0) }
    let known = UInt16(MemoryLayout<ext2_inode_large>.size - classic)
    let limit = UInt16(inodeSize - classic)
    let fields = [superblock[\.s_want_extra_isize], superblock[\.s_min_extra_isize]]
    let possible = fields.map { $0.ifIn(0...limit) ?? 0 }
    let wanted = max(possible[0], possible[1], known)
    return (wanted % 4 == 0 ? wanted : known, Int(possible[1]))
  }

  static func value<Value>(
    _ field: Unchecked<Value>, _ range: ClosedRange<Value>, _ name: StaticString
  ) throws(MountRefusal) -> Value {
    guard let value = field.ifIn(range) else { throw refusal("\(name) is \(field)") }
    return value
  }

  static func refusal(_ what: String) -> MountRefusal {
    MountRefusal("its superblock makes no sense (\(what)); run e2fsck on it")
  }
}

extension Geometry {
  /// True when `count` blocks from `first` on lie within the file system, behind the boot block.
  @inline(__always)
  func contains(_ first: BlockNumber, count: UInt64 = 1) -> Bool {
    first.rawValue >= max(firstDataBlock, 1) && first.rawValue < blockCount
      && count <= blockCount - first.rawValue
  }

  /// Whether an inode may have this number.
  @inline(__always)
  func contains(_ inode: InodeNumber) -> Bool { 1...inodeCount ~= inode.rawValue }

  /// Whether a file may have this number: those before are the file system's own.
  @inline(__always)
  func isForFiles(_ inode: InodeNumber) -> Bool {
    inode >= firstInode && inode.rawValue <= inodeCount
  }

  /// The group that `block`, which lies within the file system, belongs to.
  @inline(__always)
  func group(of block: BlockNumber) -> UInt32 {
    UInt32((block.rawValue - firstDataBlock) / blocksPerGroup)
  }

  /// The groups of a run within the file system.
  @inline(__always)
  func groups(of run: BlockRun) -> ClosedRange<UInt32> {
    group(of: run.first)...group(of: BlockNumber(run.end.rawValue - 1))
  }

  /// The group of an inode that the file system may have.
  @inline(__always)
  func group(of inode: InodeNumber) -> UInt32 { (inode.rawValue - 1) / inodesPerGroup }

  @inline(__always)
  func firstBlock(of group: UInt32) -> UInt64 { firstDataBlock + UInt64(group) * blocksPerGroup }

  /// The blocks of a group: fewer in the last one.
  @inline(__always)
  func blocks(of group: UInt32) -> Range<UInt64> {
    let first = firstBlock(of: group)
    return first..<min(first + blocksPerGroup, blockCount)
  }

  /// The inodes of a group.
  @inline(__always)
  func inodes(of group: UInt32) -> ClosedRange<UInt32> {
    let before = group * inodesPerGroup
    return before + 1...before + inodesPerGroup
  }

  /// Bits that count in the block bitmap of a group.
  @inline(__always)
  func clusterCount(of group: UInt32) -> UInt64 {
    (UInt64(blocks(of: group).count) + (1 << clusterShift) - 1) >> clusterShift
  }

  /// Where the primary superblock is.
  var superblockBlock: UInt64 { blockSize == 1024 ? 1 : 0 }
}
