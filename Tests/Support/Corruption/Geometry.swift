/// What the superblock of an image says, as far as it is needed to find things. Read again after a mutation, it is what counts for
/// checksums then.
struct Geometry {
  enum Feature {
    static let metaGroups: UInt64 = 0x10
    static let wide: UInt64 = 0x80
    static let checksumSeed: UInt64 = 0x2000
    static let groupChecksums: UInt64 = 0x10
    static let clusters: UInt64 = 0x200
    static let metadataChecksums: UInt64 = 0x400
  }

  static let superblock = 1024

  let blockSize: Int
  let blockCount: Int
  let firstBlock: Int
  let blocksPerGroup: Int
  let clustersPerGroup: Int
  let inodesPerGroup: Int
  let inodeSize: Int
  let descriptorSize: Int
  let incompatible: UInt64
  let readOnlyCompatible: UInt64
  let seed: UInt32

  init(_ bytes: ImageBytes) {
    let base = Self.superblock
    blockSize = 1024 << min(bytes.little32(base + 0x18), 6)
    incompatible = bytes.number(at: base + 0x60, size: 4)
    readOnlyCompatible = bytes.number(at: base + 0x64, size: 4)
    let isWide = incompatible & Feature.wide != 0
    let high = isWide ? bytes.number(at: base + 0x150, size: 4) : 0
    blockCount = Int(clamping: high << 32 | bytes.number(at: base + 4, size: 4))
    firstBlock = bytes.little32(base + 0x14)
    blocksPerGroup = max(bytes.little32(base + 0x20), 1)
    clustersPerGroup = bytes.little32(base + 0x24)
    inodesPerGroup = max(bytes.little32(base + 0x28), 1)
    inodeSize = bytes.little32(base + 0x4C) == 0 ? 128 : max(bytes.little16(base + 0x58), 128)
    descriptorSize = isWide ? max(bytes.little16(base + 0xFE), 32) : 32
    seed =
      incompatible & Feature.checksumSeed != 0
      ? UInt32(bytes.number(at: base + 0x270, size: 4))
      : Checksums.crc32c(bytes.part(base + 0x68, 16), from: ~0)
  }

  var hasChecksums: Bool { readOnlyCompatible & Feature.metadataChecksums != 0 }
  var hasGroupChecksums: Bool { readOnlyCompatible & Feature.groupChecksums != 0 }
  var groupCount: Int {
    guard blockCount > firstBlock else { return 0 }
    return (blockCount - firstBlock - 1) / blocksPerGroup + 1
  }

  /// Where the descriptor of a group is, in bytes.
  func descriptor(_ group: Int) -> Int {
    let perBlock = max(blockSize / descriptorSize, 1)
    let table = group / perBlock
    let within = group % perBlock * descriptorSize
    guard incompatible & Feature.metaGroups != 0 else {
      // Behind the superblock, which with clusters is in block 1 of group 0, or 0 if that is large enough.
      let superblock = Self.superblock / blockSize
      return (max(firstBlock, superblock) + 1 + table) * blockSize + within
    }
    let first = firstBlock + table * perBlock * blocksPerGroup
    // Images for tests have all superblocks in group 0, or sparse ones: a group with a backup has it first.
    return (first + (Self.hasSuperblock(table * perBlock) ? 1 : 0)) * blockSize + within
  }

  private static func hasSuperblock(_ group: Int) -> Bool {
    if group <= 1 { return true }
    return [3, 5, 7].contains { factor in
      var power = factor
      while power < group { power *= factor }
      return power == group
    }
  }

  /// The block number that a descriptor has at one of its three places.
  func block(at place: Int, of group: Int, _ bytes: ImageBytes) -> Int {
    let base = descriptor(group)
    let high = descriptorSize >= 64 ? bytes.number(at: base + 0x20 + place, size: 4) : 0
    return Int(clamping: high << 32 | bytes.number(at: base + place, size: 4))
  }

  /// Where an inode is, in bytes. Numbers from 1 on.
  func inode(_ number: Int, _ bytes: ImageBytes) -> Int {
    let group = (number - 1) / inodesPerGroup
    let (offset, overflow) = block(at: 8, of: group, bytes).multipliedReportingOverflow(
      by: blockSize)
    return overflow ? -1 : offset &+ (number - 1) % inodesPerGroup * inodeSize
  }

  func inodeSeed(_ number: Int, _ bytes: ImageBytes, at offset: Int) -> UInt32 {
    let start = Checksums.crc32c(UInt32(truncatingIfNeeded: number), from: seed)
    return Checksums.crc32c(UInt32(bytes.number(at: offset + 0x64, size: 4)), from: start)
  }
}
