import CExt2FS
import Glibc
import Journal
import SystemPackage

/// Reads the group descriptors into libext2fs's memory, and judges each as it comes.
///
/// Libext2fs would read all of them before anything could be looked at, which for 2^24 groups that a superblock only claims is 1 GiB.
struct DescriptorReading {
  let device: BlockDevice
  let geometry: Geometry
  /// The log may have what is not right on disk yet: checksums count when it is replayed.
  let checksChecksums: Bool
  /// What a file system for reading only may have (ext4_check_descriptors).
  let allowsOverlaps: Bool

  /// Bytes that are read at a time.
  private static let chunk = 1 << 20

  func run(into fs: ext2_filsys) throws(MountRefusal) {
    let layout = geometry.descriptors
    let byteCount = Int(layout.blockCount) * geometry.blockSize
    // Pages that nothing is read into take no memory.
    guard let memory = malloc(byteCount) else {
      throw MountRefusal("there is not enough memory for its \(geometry.groupCount) block groups")
    }
    // From here on it is libext2fs's to free.
    fs.pointee.group_desc = OpaquePointer(memory)
    let descriptors = GroupDescriptors(fs, geometry)
    let step = UInt32(max(Self.chunk / geometry.blockSize, 1))
    var index: UInt32 = 0
    while index < layout.blockCount {
      let end =
        index < layout.contiguousBlocks
        ? min(index + step, layout.contiguousBlocks) : index + 1
      try read(index..<end, at: descriptors.block(index), into: memory)
      let firstGroup = index * layout.perBlock
      let endGroup = UInt32(min(UInt64(end) * UInt64(layout.perBlock), UInt64(geometry.groupCount)))
      for group in firstGroup..<endGroup {
        try judge(group, UnsafeRawPointer(memory) + Int(group) * layout.size)
        guard !checksChecksums || descriptors.isChecksumValid(of: group) else {
          throw MountRefusal(
            "the descriptor of block group \(group) has a wrong checksum; run e2fsck on it")
        }
      }
      index = end
    }
  }

  private func read(
    _ blocks: Range<UInt32>, at first: BlockNumber, into memory: UnsafeMutableRawPointer
  ) throws(MountRefusal) {
    let buffer = UnsafeMutableRawBufferPointer(
      start: memory + Int(blocks.lowerBound) * geometry.blockSize,
      count: blocks.count * geometry.blockSize)
    guard geometry.contains(first, count: UInt64(blocks.count)) else {
      throw Geometry.refusal("its group descriptors reach beyond its end")
    }
    do throws(Errno) {
      try device.read(into: buffer, at: first.rawValue << geometry.blockShift)
    } catch {
      throw MountRefusal("its group descriptors cannot be read: \(error)")
    }
  }

  /// Where the group's metadata lies must be within the file system, or, where groups are not flexible, within the group, and not where
  /// the superblock and the descriptors are (ext4_check_descriptors).
  private func judge(_ group: UInt32, _ descriptor: UnsafeRawPointer) throws(MountRefusal) {
    let isFlexible = geometry.features.incompatible.contains(.flexibleGroups)
    let all = max(geometry.firstDataBlock, 1)..<geometry.blockCount
    let own = isFlexible ? all : geometry.blocks(of: group).clamped(to: all)
    let head =
      geometry.superblockBlock...geometry.superblockBlock
      + UInt64(geometry.descriptors.contiguousBlocks)
    for (low, high, count) in [(0, 0x20, 1), (4, 0x24, 1), (8, 0x28, geometry.inodeTableBlocks)] {
      var first = UInt64(descriptor.load(fromByteOffset: low, as: UInt32.self).littleEndian)
      if geometry.descriptors.size > 32 {
        first |=
          UInt64(descriptor.load(fromByteOffset: high, as: UInt32.self).littleEndian) << 32
      }
      guard own.contains(first), count <= own.upperBound - first else {
        throw MountRefusal(
          "the descriptor of block group \(group) points outside the "
            + "\(isFlexible ? "file system" : "group"); run e2fsck on it")
      }
      guard allowsOverlaps || first > head.upperBound || first + count <= head.lowerBound else {
        throw MountRefusal(
          "the descriptor of block group \(group) points to the superblock or to descriptors; run e2fsck on it"
        )
      }
    }
  }
}
