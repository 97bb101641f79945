import Glibc
import SystemPackage

/// Changes of metadata that take effect together: copies of the changed blocks, in the form in which they go into the log, and the
/// blocks whose earlier copies must not go home any more.
///
/// Made while nothing changes (`JournalLog.makeTransaction`); everything after that needs no lock of the cache.
public final class Transaction: @unchecked Sendable {
  let sequence: UInt32
  /// The changed blocks, in the order of their numbers.
  let blocks: [BlockNumber]
  let revoked: [BlockNumber]
  private let buffers: [BlockCache.Buffer]
  private let format: JournalFormat
  private let tagsPerDescriptor: Int
  private let revokeBlockCount: Int
  /// Revoke blocks, then descriptors with the blocks that they describe behind them, then a block of zeros where the commit record
  /// will be: all of that but its first sector is on stable storage before it, so that a record that is torn is either whole or none.
  private let memory: UnsafeMutableRawBufferPointer

  init(
    _ buffers: [BlockCache.Buffer], revoking revoked: [BlockNumber], sequence: UInt32,
    format: JournalFormat
  ) {
    self.sequence = sequence
    self.buffers = buffers
    self.revoked = revoked
    self.format = format
    blocks = buffers.map(\.block)
    tagsPerDescriptor = DescriptorBlock.capacity(format)
    let perRevokeBlock = RevokeBlock.capacity(format)
    revokeBlockCount = (revoked.count + perRevokeBlock - 1) / perRevokeBlock
    let descriptorCount = (blocks.count + tagsPerDescriptor - 1) / tagsPerDescriptor
    memory = .allocate(
      byteCount: (revokeBlockCount + descriptorCount + blocks.count + 1) * format.blockSize,
      alignment: 4096)
    memset(memory.baseAddress! + memory.count - format.blockSize, 0, format.blockSize)
    for (index, buffer) in buffers.enumerated() {
      memcpy(copy(at: index).baseAddress!, buffer.data, format.blockSize)
    }
  }

  deinit { memory.deallocate() }

  /// Blocks of the log that it takes, without its commit record.
  var logBlockCount: UInt32 { UInt32(memory.count / format.blockSize - 1) }

  /// Block `index` of `blocks` as it goes home.
  func copy(at index: Int) -> UnsafeMutableRawBufferPointer {
    let (descriptor, place) = index.quotientAndRemainder(dividingBy: tagsPerDescriptor)
    return logBlock(revokeBlockCount + descriptor * (tagsPerDescriptor + 1) + 1 + place)
  }

  private func logBlock(_ index: Int) -> UnsafeMutableRawBufferPointer {
    let start = index * format.blockSize
    return UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + format.blockSize])
  }

  /// Calls `body` with all blocks of the log, zeros standing for the last, and with the commit record that belongs there.
  /// While `body` runs, copies that look like blocks of the log are escaped.
  func withLogBlocks(
    _ body: (UnsafeRawBufferPointer, CommitBlock) throws(Errno) -> Void
  ) throws(Errno) {
    encodeRevokeBlocks()
    let escaped = encodeDescriptors()
    defer {
      for index in escaped { copy(at: index).setBigEndian32(JournalBlockHeader.magic, at: 0) }
    }
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let commit = CommitBlock(
      sequence: sequence, seconds: UInt64(now.tv_sec), nanoseconds: UInt32(now.tv_nsec),
      transactionChecksum: format.checksum == .v1 ? checksum : nil)
    try body(UnsafeRawBufferPointer(memory), commit)
  }

  private func encodeRevokeBlocks() {
    var remaining = revoked[...]
    for index in 0..<revokeBlockCount {
      var writer = RevokeBlockWriter(logBlock(index), sequence: sequence, format: format)
      while let block = remaining.first, writer.append(block) { remaining.removeFirst() }
      writer.finish()
    }
  }

  /// Returns which copies are escaped.
  private func encodeDescriptors() -> [Int] {
    var escaped: [Int] = []
    var first = 0
    while first < blocks.count {
      let descriptor = first / tagsPerDescriptor * (tagsPerDescriptor + 1)
      var writer = DescriptorBlockWriter(
        logBlock(revokeBlockCount + descriptor), sequence: sequence, format: format)
      let end = min(first + tagsPerDescriptor, blocks.count)
      for index in first..<end {
        let copy = copy(at: index)
        var tag = BlockTag(block: blocks[index])
        if UnsafeRawBufferPointer(copy).bigEndian32(at: 0) == JournalBlockHeader.magic {
          copy.setBigEndian32(0, at: 0)
          tag.flags = .escaped
          escaped.append(index)
        }
        tag.checksum = format.checksum(
          ofBlock: UnsafeRawBufferPointer(copy), sequence: sequence)
        _ = writer.append(tag)
      }
      writer.finish()
      first = end
    }
    return escaped
  }

  private var checksum: UInt32 {
    var checksum = TransactionChecksum()
    for index in revokeBlockCount..<Int(logBlockCount) {
      checksum.add(UnsafeRawBufferPointer(logBlock(index)))
    }
    return checksum.value
  }

  /// The copies stand in for what is on disk from now on: the cache may drop what it holds. To be called by the cache's owner.
  public func release() {
    for buffer in buffers { buffer.endWriting() }
  }
}

/// Sequence numbers go round: half of them are before any given one.
func isSequence(_ sequence: UInt32, atOrBefore other: UInt32) -> Bool {
  Int32(bitPattern: sequence &- other) <= 0
}
