/// Puts the checksums of a journal right, as its superblock then wants them.
enum JournalChecksumRepair {
  static func repair(_ site: ChecksumSite, _ bytes: ImageBytes, blockSize: Int) {
    switch site {
    case .journalSuperblock(let place):
      guard coversBlocks(bytes, place) else { return }
      store(
        Checksums.crc32c(bytes.part(place, 1024), from: ~0, zero: 0xFC, count: 4),
        at: place + 0xFC, bytes)
    case .journalTag(let tag, let block, let journal):
      guard coversBlocks(bytes, journal) else { return }
      let descriptor = tag / blockSize * blockSize
      var sum = Checksums.crc32c(bytes.part(descriptor + 8, 4), from: seed(bytes, journal))
      sum = Checksums.crc32c(bytes.part(block, blockSize), from: sum)
      if bytes.big32(journal + 40) & 0x10 != 0 {
        store(sum, at: tag + 12, bytes)
      } else {
        bytes.set(UInt64(sum & 0xFFFF), at: tag + 4, size: 2, isBigEndian: true)
      }
    case .journalTail(let place, let journal):
      guard coversBlocks(bytes, journal) else { return }
      store(
        Checksums.crc32c(
          bytes.part(place, blockSize), from: seed(bytes, journal), zero: blockSize - 4, count: 4),
        at: place + blockSize - 4, bytes)
    case .journalCommit(let place, let journal):
      guard coversBlocks(bytes, journal) else { return }
      store(
        Checksums.crc32c(
          bytes.part(place, blockSize), from: seed(bytes, journal), zero: 16, count: 4),
        at: place + 16, bytes)
    default: return
    }
  }

  /// Checksums v2 or v3.
  private static func coversBlocks(_ bytes: ImageBytes, _ journal: Int) -> Bool {
    bytes.big32(journal + 40) & 0x18 != 0
  }

  private static func seed(_ bytes: ImageBytes, _ journal: Int) -> UInt32 {
    Checksums.crc32c(bytes.part(journal + 48, 16), from: ~0)
  }

  private static func store(_ sum: UInt32, at place: Int, _ bytes: ImageBytes) {
    bytes.set(UInt64(sum), at: place, size: 4, isBigEndian: true)
  }
}
