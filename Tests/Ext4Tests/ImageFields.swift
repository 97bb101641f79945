import Foundation
import TestSupport

import struct SystemPackage.FileDescriptor

/// A field of an on-disk structure, by its place in it (fs/ext4/ext4.h).
struct DiskField: Sendable, CustomStringConvertible {
  let name: String
  let offset: Int
  let byteCount: Int

  var description: String { name }
  var maximum: UInt64 { byteCount == 8 ? .max : (1 << UInt64(8 * byteCount)) - 1 }

  init(_ name: String, _ offset: Int, _ byteCount: Int) {
    self.name = name
    self.offset = offset
    self.byteCount = byteCount
  }

  func value(in bytes: [UInt8]) -> UInt64 {
    bytes[offset..<offset + byteCount].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  func set(_ value: UInt64, in bytes: inout [UInt8]) {
    for index in 0..<byteCount {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }
}

/// The superblock: what says where things are, and what is counted.
enum SuperblockField {
  static let inodesCount = DiskField("s_inodes_count", 0x0, 4)
  static let blocksCount = DiskField("s_blocks_count", 0x4, 4)
  static let reservedBlocks = DiskField("s_r_blocks_count", 0x8, 4)
  static let freeBlocks = DiskField("s_free_blocks_count", 0xC, 4)
  static let freeInodes = DiskField("s_free_inodes_count", 0x10, 4)
  static let firstDataBlock = DiskField("s_first_data_block", 0x14, 4)
  static let logBlockSize = DiskField("s_log_block_size", 0x18, 4)
  static let logClusterSize = DiskField("s_log_cluster_size", 0x1C, 4)
  static let blocksPerGroup = DiskField("s_blocks_per_group", 0x20, 4)
  static let clustersPerGroup = DiskField("s_clusters_per_group", 0x24, 4)
  static let inodesPerGroup = DiskField("s_inodes_per_group", 0x28, 4)
  static let state = DiskField("s_state", 0x3A, 2)
  static let revision = DiskField("s_rev_level", 0x4C, 4)
  static let firstInode = DiskField("s_first_ino", 0x54, 4)
  static let inodeSize = DiskField("s_inode_size", 0x58, 2)
  static let readOnlyFeatures = DiskField("s_feature_ro_compat", 0x64, 4)
  static let lastOrphan = DiskField("s_last_orphan", 0xE8, 4)
  static let descriptorSize = DiskField("s_desc_size", 0xFE, 2)
  static let blocksCountHigh = DiskField("s_blocks_count_hi", 0x150, 4)
  static let reservedBlocksHigh = DiskField("s_r_blocks_count_hi", 0x154, 4)
  static let errorCount = DiskField("s_error_count", 0x194, 4)

  static let all: [DiskField] = [
    inodesCount, blocksCount, reservedBlocks, freeBlocks, freeInodes, firstDataBlock, logBlockSize,
    logClusterSize, blocksPerGroup, clustersPerGroup, inodesPerGroup, state, revision, firstInode,
    inodeSize, readOnlyFeatures, lastOrphan, descriptorSize, blocksCountHigh, reservedBlocksHigh,
    errorCount,
    DiskField("s_mtime", 0x2C, 4), DiskField("s_mnt_count", 0x34, 2),
    DiskField("s_errors", 0x3C, 2),
    DiskField("s_def_resuid", 0x50, 2), DiskField("s_block_group_nr", 0x5A, 2),
    DiskField("s_feature_compat", 0x5C, 4), DiskField("s_feature_incompat", 0x60, 4),
    DiskField("s_reserved_gdt_blocks", 0xCE, 2), DiskField("s_journal_inum", 0xE0, 4),
    DiskField("s_journal_dev", 0xE4, 4), DiskField("s_def_hash_version", 0xFC, 1),
    DiskField("s_default_mount_opts", 0x100, 4), DiskField("s_first_meta_bg", 0x104, 4),
    DiskField("s_free_blocks_hi", 0x158, 4), DiskField("s_min_extra_isize", 0x15C, 2),
    DiskField("s_want_extra_isize", 0x15E, 2), DiskField("s_flags", 0x160, 4),
    DiskField("s_raid_stride", 0x164, 2), DiskField("s_raid_stripe_width", 0x170, 4),
    DiskField("s_log_groups_per_flex", 0x174, 1), DiskField("s_checksum_type", 0x175, 1),
    DiskField("s_usr_quota_inum", 0x240, 4), DiskField("s_overhead_clusters", 0x248, 4),
    DiskField("s_backup_bgs", 0x24C, 4), DiskField("s_checksum_seed", 0x270, 4),
    DiskField("s_encoding", 0x27C, 2), DiskField("s_orphan_file_inum", 0x280, 4),
  ]
}

/// A group descriptor.
enum DescriptorField {
  static let inodeTable = DiskField("bg_inode_table_lo", 0x8, 4)
  static let inodeTableHigh = DiskField("bg_inode_table_hi", 0x28, 4)
  static let blockBitmapHigh = DiskField("bg_block_bitmap_hi", 0x20, 4)
  static let inodeBitmapHigh = DiskField("bg_inode_bitmap_hi", 0x24, 4)
  static let checksum = DiskField("bg_checksum", 0x1E, 2)

  static let narrow: [DiskField] = [
    DiskField("bg_block_bitmap_lo", 0x0, 4), DiskField("bg_inode_bitmap_lo", 0x4, 4), inodeTable,
    DiskField("bg_free_blocks_count_lo", 0xC, 2), DiskField("bg_free_inodes_count_lo", 0xE, 2),
    DiskField("bg_used_dirs_count_lo", 0x10, 2), DiskField("bg_flags", 0x12, 2),
    DiskField("bg_itable_unused_lo", 0x1C, 2),
  ]
  static let wide: [DiskField] = [
    inodeTableHigh, blockBitmapHigh, inodeBitmapHigh,
    DiskField("bg_free_blocks_count_hi", 0x2C, 2), DiskField("bg_free_inodes_count_hi", 0x2E, 2),
    DiskField("bg_used_dirs_count_hi", 0x30, 2), DiskField("bg_itable_unused_hi", 0x32, 2),
  ]
}

/// The first bytes of an image, in which fields are changed and checksums put right.
struct ImageHead {
  var superblock: [UInt8]
  private var descriptors: [UInt8]
  private let descriptorsAt: Int
  private let descriptorSize: Int

  init(of image: Image) throws {
    let file = try FileDescriptor.open(image.path, .readOnly)
    defer { try? file.close() }
    superblock = try Self.read(1024, at: 1024, from: file)
    let blockSize = 1024 << Int(SuperblockField.logBlockSize.value(in: superblock))
    descriptorsAt =
      (Int(SuperblockField.firstDataBlock.value(in: superblock)) + 1) * blockSize
    let isWide = DiskField("", 0x60, 4).value(in: superblock) & 0x80 != 0
    descriptorSize = isWide ? Int(SuperblockField.descriptorSize.value(in: superblock)) : 32
    descriptors = try Self.read(blockSize, at: descriptorsAt, from: file)
  }

  var hasWideDescriptors: Bool { descriptorSize > 32 }

  mutating func set(_ field: DiskField, to value: UInt64) {
    field.set(value, in: &superblock)
  }

  mutating func set(_ field: DiskField, of group: Int, to value: UInt64) {
    var descriptor = self.descriptor(group)
    field.set(value, in: &descriptor)
    if hasMetadataChecksums {
      DescriptorField.checksum.set(0, in: &descriptor)
      let number = (0..<4).map { UInt8(truncatingIfNeeded: group >> (8 * $0)) }
      let sum = CRC32C.of(descriptor, from: CRC32C.of(number, from: checksumSeed))
      DescriptorField.checksum.set(UInt64(sum & 0xFFFF), in: &descriptor)
    }
    let start = group * descriptorSize
    descriptors.replaceSubrange(start..<start + descriptorSize, with: descriptor)
  }

  func value(_ field: DiskField, of group: Int) -> UInt64 { field.value(in: descriptor(group)) }

  private func descriptor(_ group: Int) -> [UInt8] {
    Array(descriptors[group * descriptorSize..<(group + 1) * descriptorSize])
  }

  private var hasMetadataChecksums: Bool {
    SuperblockField.readOnlyFeatures.value(in: superblock) & 0x400 != 0
  }

  private var checksumSeed: UInt32 { CRC32C.of(Array(superblock[0x68..<0x78]), from: ~0) }

  /// Writes all of it over `image`, with the superblock's checksum.
  mutating func write(to image: Image) throws {
    if hasMetadataChecksums {
      let sum = CRC32C.of(Array(superblock[..<0x3FC]), from: ~0)
      DiskField("s_checksum", 0x3FC, 4).set(UInt64(sum), in: &superblock)
    }
    let file = try FileDescriptor.open(image.path, .readWrite)
    defer { try? file.close() }
    _ = try superblock.withUnsafeBytes { try file.writeAll(toAbsoluteOffset: 1024, $0) }
    _ = try descriptors.withUnsafeBytes {
      try file.writeAll(toAbsoluteOffset: Int64(descriptorsAt), $0)
    }
  }

  private static func read(_ count: Int, at offset: Int, from file: FileDescriptor) throws
    -> [UInt8]
  {
    var bytes = [UInt8](repeating: 0, count: count)
    let read = try bytes.withUnsafeMutableBytes {
      try file.read(fromAbsoluteOffset: Int64(offset), into: $0)
    }
    guard read == count else { throw Failure("the image is too short") }
    return bytes
  }
}

extension Image {
  /// Changes fields of the superblock and of the first group descriptors, with their checksums.
  func change(_ body: (inout ImageHead) throws -> Void) throws {
    var head = try ImageHead(of: self)
    try body(&head)
    try head.write(to: self)
  }
}

/// CRC-32C as ext4 uses it: no inversion at the end.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 != 0 ? value >> 1 ^ 0x82F6_3B78 : value >> 1
    }
  }

  static func of(_ bytes: [UInt8], from seed: UInt32) -> UInt32 {
    bytes.reduce(seed) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
  }
}
