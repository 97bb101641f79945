/// What writers and readers of a log must agree upon.
public struct JournalFormat: Sendable, Equatable {
  /// Bytes a block, 1024 or more.
  public let blockSize: Int
  public let uuid: FileSystemUUID
  public let checksum: JournalChecksum
  public let hasWideBlockNumbers: Bool
  /// Where the checksums of single blocks begin: with the journal's UUID.
  public let seed: UInt32
  /// Bytes of a tag in a descriptor block, without the UUID that may follow it (`journal_tag_bytes`).
  public let tagSize: Int
  /// Bytes at the end of descriptor and revoke blocks that hold their checksum.
  public let tailSize: Int
  /// Bytes of a block number in a revoke block.
  public let revokeSize: Int

  public init(blockSize: Int, features: JournalFeatures, uuid: FileSystemUUID) {
    self.blockSize = blockSize
    self.uuid = uuid
    checksum = features.checksum
    hasWideBlockNumbers = features.contains(.wideBlockNumbers)
    seed = checksum.coversBlocks ? uuid.withBytes { CRC32C.checksum(of: $0, from: ~0) } : 0
    tagSize =
      switch checksum {
      case .none, .v1: hasWideBlockNumbers ? 12 : 8
      // The two bytes more are not used: an oversight of the kernel's that became the format.
      case .v2: hasWideBlockNumbers ? 14 : 10
      case .v3: 16
      }
    tailSize = checksum.coversBlocks ? 4 : 0
    revokeSize = hasWideBlockNumbers ? 8 : 4
  }

  /// The checksum of a block that goes home, as it is in the log (escaped, if it must be). 0 but for v2 and v3.
  public func checksum(ofBlock bytes: UnsafeRawBufferPointer, sequence: UInt32) -> UInt32 {
    guard checksum.coversBlocks else { return 0 }
    let start = withUnsafeBytes(of: sequence.bigEndian) { CRC32C.checksum(of: $0, from: seed) }
    return CRC32C.checksum(of: bytes, from: start)
  }

  /// Whether that is what the tag says, as far as it has room.
  public func matches(_ tag: BlockTag, checksum: UInt32) -> Bool {
    switch self.checksum {
    case .none, .v1: true
    case .v2: UInt16(truncatingIfNeeded: tag.checksum) == UInt16(truncatingIfNeeded: checksum)
    case .v3: tag.checksum == checksum
    }
  }

  /// The checksum at the end of a descriptor or revoke block is right, or there is none.
  func hasValidTail(_ block: UnsafeRawBufferPointer) -> Bool {
    guard tailSize > 0 else { return true }
    let offset = blockSize - tailSize
    return block.bigEndian32(at: offset) == CRC32C.checksum(of: block, from: seed, zeroAt: offset)
  }

  func setTail(of block: UnsafeMutableRawBufferPointer) {
    guard tailSize > 0 else { return }
    let offset = blockSize - tailSize
    block.setBigEndian32(
      CRC32C.checksum(of: UnsafeRawBufferPointer(block), from: seed, zeroAt: offset), at: offset)
  }
}
