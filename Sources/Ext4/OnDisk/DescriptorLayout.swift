/// How the group descriptors lie on disk.
struct DescriptorLayout: Sendable {
  /// Bytes a descriptor: 32, whatever `s_desc_size` says, without the feature 64bit (EXT4_DESC_SIZE).
  let size: Int
  let perBlock: UInt32
  let blockCount: UInt32
  /// Blocks of descriptors that lie together behind the superblock. The others are in the groups that they describe (meta_bg).
  let contiguousBlocks: UInt32
  /// Blocks behind them that are kept for more.
  let reservedBlocks: UInt64

  init(
    of superblock: RawSuperblock, blockSize: Int, groupCount: UInt32
  ) throws(MountRefusal) {
    let features = superblock.features
    if features.incompatible.contains(.wideBlockNumbers) {
      size = Int(try Geometry.value(superblock[\.s_desc_size], 64...1024, "s_desc_size"))
      guard size.nonzeroBitCount == 1 else {
        throw Geometry.refusal("s_desc_size is \(size), which is no power of two")
      }
    } else {
      size = 32
    }
    perBlock = UInt32(blockSize / size)
    blockCount = (groupCount - 1) / perBlock + 1
    if features.incompatible.contains(.metaBlockGroups) {
      contiguousBlocks = try Geometry.value(
        superblock[\.s_first_meta_bg], 0...blockCount, "s_first_meta_bg")
    } else {
      contiguousBlocks = blockCount
    }
    let reserved = try Geometry.value(
      superblock[\.s_reserved_gdt_blocks], 0...UInt16(blockSize / 4), "s_reserved_gdt_blocks")
    // Those of a file system without the inode that has them are free (ext2fs_super_and_bgd_loc2, e2fsck).
    let hasReserve =
      features.compatible.contains(.resizeInode)
      && !features.incompatible.contains(.metaBlockGroups)
    reservedBlocks = hasReserve ? UInt64(reserved) : 0
  }
}
