/// Puts the checksums of an image right after a mutation, so that what is wrong besides is looked at.
public enum ChecksumRepair {
  public static func repair(_ bytes: ImageBytes, _ map: ImageMap) {
    let geometry = Geometry(bytes)
    for site in map.sites { repair(site, bytes, geometry) }
  }

  private static func repair(_ site: ChecksumSite, _ bytes: ImageBytes, _ geometry: Geometry) {
    switch site {
    case .journalTag, .journalTail, .journalCommit, .journalSuperblock:
      JournalChecksumRepair.repair(site, bytes, blockSize: geometry.blockSize)
    case .group(let group): repairGroup(group, bytes, geometry)
    case .superblock:
      guard geometry.hasChecksums else { return }
      let base = Geometry.superblock
      let sum = Checksums.crc32c(bytes.part(base, 0x3FC), from: ~0)
      bytes.set(UInt64(sum), at: base + 0x3FC, size: 4)
    default:
      if geometry.hasChecksums { repairBlock(site, bytes, geometry) }
    }
  }

  private static func repairBlock(
    _ site: ChecksumSite, _ bytes: ImageBytes, _ geometry: Geometry
  ) {
    let size = geometry.blockSize
    func store(_ sum: UInt32, at place: Int) { bytes.set(UInt64(sum), at: place, size: 4) }
    switch site {
    case .inode(let offset, let number): repairInode(number, offset, bytes, geometry)
    case .extentBlock(let place, let inode, let at):
      let end = 12 + 12 * bytes.little16(place + 4)
      guard end + 4 <= size else { return }
      let seed = geometry.inodeSeed(inode, bytes, at: at)
      store(Checksums.crc32c(bytes.part(place, end), from: seed), at: place + end)
    case .directoryBlock(let place, let inode, let at):
      let seed = geometry.inodeSeed(inode, bytes, at: at)
      store(Checksums.crc32c(bytes.part(place, size - 12), from: seed), at: place + size - 4)
    case .hashTree(let place, let limits, let inode, let at):
      let end = limits + 8 * bytes.little16(place + limits + 2)
      let tail = limits + 8 * bytes.little16(place + limits)
      guard end <= size, tail + 8 <= size else { return }
      var sum = Checksums.crc32c(
        bytes.part(place, end), from: geometry.inodeSeed(inode, bytes, at: at))
      sum = Checksums.crc32c(bytes.part(place + tail, 4), from: sum)
      store(Checksums.crc32c(UInt32(0), from: sum), at: place + tail + 4)
    case .attributeBlock(let place, let block):
      let seed = Checksums.crc32c(UInt64(block), from: geometry.seed)
      store(
        Checksums.crc32c(bytes.part(place, size), from: seed, zero: 16, count: 4), at: place + 16)
    case .orphanBlock(let place, let block, let inode, let at):
      let seed = Checksums.crc32c(
        UInt64(block), from: geometry.inodeSeed(inode, bytes, at: at))
      store(Checksums.crc32c(bytes.part(place, size - 8), from: seed), at: place + size - 4)
    default: return
    }
  }

  private static func repairInode(
    _ number: Int, _ offset: Int, _ bytes: ImageBytes, _ geometry: Geometry
  ) {
    let hasHigh = geometry.inodeSize > 128 && bytes.little16(offset + 0x80) >= 4
    bytes.set(0, at: offset + 0x7C, size: 2)
    if hasHigh { bytes.set(0, at: offset + 0x82, size: 2) }
    let sum = Checksums.crc32c(
      bytes.part(offset, geometry.inodeSize),
      from: geometry.inodeSeed(number, bytes, at: offset))
    bytes.set(UInt64(sum & 0xFFFF), at: offset + 0x7C, size: 2)
    if hasHigh { bytes.set(UInt64(sum >> 16), at: offset + 0x82, size: 2) }
  }

  private static func repairGroup(_ group: Int, _ bytes: ImageBytes, _ geometry: Geometry) {
    let base = geometry.descriptor(group)
    let size = geometry.descriptorSize
    guard bytes.contains(base, size) else { return }
    if geometry.hasChecksums {
      for (place, low, count) in [
        (0, 0x18, geometry.clustersPerGroup / 8), (4, 0x1A, geometry.inodesPerGroup / 8),
      ] {
        let start = geometry.block(at: place, of: group, bytes)
          .multipliedReportingOverflow(by: geometry.blockSize)
        guard !start.overflow, bytes.contains(start.partialValue, count) else { continue }
        let sum = Checksums.crc32c(bytes.part(start.partialValue, count), from: geometry.seed)
        bytes.set(UInt64(sum & 0xFFFF), at: base + low, size: 2)
        if size >= 64 { bytes.set(UInt64(sum >> 16), at: base + low + 0x20, size: 2) }
      }
      let start = Checksums.crc32c(UInt32(group), from: geometry.seed)
      let sum = Checksums.crc32c(bytes.part(base, size), from: start, zero: 0x1E, count: 2)
      bytes.set(UInt64(sum & 0xFFFF), at: base + 0x1E, size: 2)
    } else if geometry.hasGroupChecksums {
      var sum = Checksums.crc16(bytes.part(Geometry.superblock + 0x68, 16), from: ~0)
      sum = withUnsafeBytes(of: UInt32(group)) { Checksums.crc16($0, from: sum) }
      sum = Checksums.crc16(bytes.part(base, 0x1E), from: sum)
      if size > 0x20 { sum = Checksums.crc16(bytes.part(base + 0x20, size - 0x20), from: sum) }
      bytes.set(UInt64(sum), at: base + 0x1E, size: 2)
    }
  }
}
