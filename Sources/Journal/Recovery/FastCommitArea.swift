import SystemPackage

/// The blocks behind the log where small changes are noted on top of the last complete transaction.
///
/// Records are tags with a length and a value; the first of a transaction has a head with its number, and each fast commit ends
/// with a tail that has the number again and a checksum of what stands before it. All is little-endian
/// (fs/ext4/fast_commit.h; `ext4_fc_replay_scan`).
struct FastCommitArea {
  private enum Tag {
    static let tail: UInt16 = 8
    static let head: UInt16 = 9
  }

  /// Bytes of a tag and its length.
  private static let headerSize = 4

  private let area: JournalArea
  private let blocks: Range<UInt32>

  init(_ journal: OpenJournal) {
    area = journal.area
    let superblock = journal.superblock
    // The kernel leaves the block out that follows the log. (Without the feature the log ends where block numbers may end, too.)
    let behindLog = superblock.logBlocks.upperBound..<superblock.blockCount
    blocks = superblock.features.contains(.fastCommit) ? behindLog.dropFirst() : 0..<0
  }

  /// Whether at least one fast commit is complete on top of the transactions before `sequence`. One that is not was never
  /// acknowledged.
  func holdsRecords(for sequence: UInt32) throws(JournalError) -> Bool {
    guard !blocks.isEmpty else { return false }
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: area.blockSize, alignment: 4096)
    defer { block.deallocate() }
    var checksum: UInt32 = 0
    for number in blocks {
      do throws(Errno) {
        try area.read(number, into: block)
      } catch {
        throw .reading(error)
      }
      let isFirst = number == blocks.lowerBound
      switch look(through: UnsafeRawBufferPointer(block), isFirst, sequence, &checksum) {
      case .some(let answer): return answer
      case nil: continue
      }
    }
    return false
  }

  /// Nil when the next block has to be looked at, too.
  private func look(
    through block: UnsafeRawBufferPointer, _ isFirst: Bool, _ sequence: UInt32,
    _ checksum: inout UInt32
  ) -> Bool? {
    func field(_ offset: Int) -> UInt32 {
      UInt32(littleEndian: block.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    var offset = 0
    while offset + Self.headerSize <= block.count {
      let tag = UInt16(truncatingIfNeeded: field(offset))
      let length = Int(field(offset) >> 16)
      let value = offset + Self.headerSize
      guard (1...Tag.head).contains(tag), length <= block.count - value else { return false }
      if offset == 0, isFirst {
        guard tag == Tag.head, length == 8, field(value + 4) == sequence else { return false }
        // Unknown features: the records may mean anything, so that a fast commit must be assumed.
        guard field(value) == 0 else { return true }
      }
      if tag == Tag.tail {
        guard length >= 8, field(value) == sequence else { return false }
        let covered = UnsafeRawBufferPointer(rebasing: block[offset..<value + 4])
        return CRC32C.checksum(of: covered, from: checksum) == field(value + 4)
      }
      let covered = UnsafeRawBufferPointer(rebasing: block[offset..<value + length])
      checksum = CRC32C.checksum(of: covered, from: checksum)
      offset = value + length
    }
    return nil
  }
}
