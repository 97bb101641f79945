import Glibc
import SystemPackage

/// Reads the blocks of a log, mostly in order, some ahead at a time.
final class LogReader {
  let area: JournalArea
  let log: Range<UInt32>
  private let buffer: UnsafeMutableRawBufferPointer
  private let capacity: UInt32
  private var held: Range<UInt32> = 0..<0

  init(_ journal: OpenJournal) {
    area = journal.area
    log = journal.superblock.logBlocks
    capacity = UInt32(max(1, (1 << 20) / area.blockSize))
    buffer = .allocate(byteCount: Int(capacity) * area.blockSize, alignment: 4096)
  }

  deinit { buffer.deallocate() }

  /// The block that follows `count` blocks behind `block`, where the log goes round.
  func position(_ block: UInt32, advancedBy count: Int) -> UInt32 {
    let offset = UInt64(block - log.lowerBound) + UInt64(count)
    return log.lowerBound + UInt32(offset % UInt64(log.count))
  }

  /// The contents of `block`, valid until the next call.
  func read(_ block: UInt32) throws(JournalError) -> UnsafeRawBufferPointer {
    if !held.contains(block) { try load(block) }
    let offset = Int(block - held.lowerBound) * area.blockSize
    return UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + area.blockSize])
  }

  /// A block ahead that cannot be read does no harm unless it is asked for.
  private func load(_ block: UInt32) throws(JournalError) {
    held = 0..<0
    guard block < area.blockCount else { throw .reading(.ioError) }
    let ahead = min(capacity, area.blockCount - block)
    if attempt(block, ahead) == nil { return }
    if let error = attempt(block, 1) { throw .reading(error) }
  }

  private func attempt(_ block: UInt32, _ count: UInt32) -> Errno? {
    do throws(Errno) {
      try area.read(
        block,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(Int(count) * area.blockSize)]))
      held = block..<block + count
      return nil
    } catch {
      return error
    }
  }
}
