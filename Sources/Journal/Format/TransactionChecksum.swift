import CExt2FS

/// The checksum v1 of a transaction: CRC-32, most significant bit first, over its descriptor blocks and the blocks that
/// they describe, in the log's order and form. Revoke blocks do not count.
public struct TransactionChecksum: Sendable {
  public private(set) var value: UInt32 = ~0

  public init() {}

  public mutating func add(_ block: UnsafeRawBufferPointer) {
    value = ext2fs_crc32_be(
      value, block.assumingMemoryBound(to: UInt8.self).baseAddress, block.count)
  }
}
