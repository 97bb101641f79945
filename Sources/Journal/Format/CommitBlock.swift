import Glibc

/// The block that makes the transaction before it valid (`struct commit_header`).
public struct CommitBlock: Sendable, Equatable {
  /// CRC-32 (JBD2_CRC32_CHKSUM) and its size, in journals with checksum v1.
  private static let crc32Type: UInt8 = 1
  private static let crc32Size: UInt8 = 4
  /// Bytes of the structure, with what its alignment adds.
  private static let headerSize = 64

  public var sequence: UInt32
  /// When it was written, in seconds since 1970 and nanoseconds.
  public var seconds: UInt64
  public var nanoseconds: UInt32
  /// With v1 that of the transaction; nil where none was written.
  public var transactionChecksum: UInt32?

  public init(
    sequence: UInt32, seconds: UInt64, nanoseconds: UInt32, transactionChecksum: UInt32? = nil
  ) {
    self.sequence = sequence
    self.seconds = seconds
    self.nanoseconds = nanoseconds
    self.transactionChecksum = transactionChecksum
  }

  /// `bytes` are a whole block, whose header was looked at.
  public init(_ bytes: UnsafeRawBufferPointer) {
    sequence = bytes.bigEndian32(at: 8)
    seconds = bytes.bigEndian64(at: 48)
    nanoseconds = bytes.bigEndian32(at: 56)
    let isThere = bytes[12] != 0 || bytes[13] != 0 || bytes.bigEndian32(at: 16) != 0
    transactionChecksum = isThere ? bytes.bigEndian32(at: 16) : nil
  }

  /// Writes the whole of `block`. The checksum of a transaction counts with v1 only, that of the block with v2 and v3 only.
  public func encode(into block: UnsafeMutableRawBufferPointer, format: JournalFormat) {
    memset(block.baseAddress!, 0, format.blockSize)
    JournalBlockHeader(.commit, sequence: sequence).encode(into: block)
    block.setBigEndian64(seconds, at: 48)
    block.setBigEndian32(nanoseconds, at: 56)
    switch format.checksum {
    case .none: break
    case .v1:
      guard let transactionChecksum else { break }
      block[12] = Self.crc32Type
      block[13] = Self.crc32Size
      block.setBigEndian32(transactionChecksum, at: 16)
    case .v2, .v3:
      block.setBigEndian32(
        CRC32C.checksum(of: UnsafeRawBufferPointer(block), from: format.seed, zeroAt: 16), at: 16)
    }
  }

  /// Whether the block's own checksum (v2, v3) is right, over all of it, or over its structure with zeros behind: a block may have
  /// been written in part.
  public static func isChecksumValid(
    _ bytes: UnsafeRawBufferPointer, format: JournalFormat
  ) -> Bool {
    guard format.checksum.coversBlocks else { return true }
    let found = bytes.bigEndian32(at: 16)
    if found == CRC32C.checksum(of: bytes, from: format.seed, zeroAt: 16) { return true }
    let header = UnsafeRawBufferPointer(rebasing: bytes[..<headerSize])
    var checksum = CRC32C.checksum(of: header, from: format.seed, zeroAt: 16)
    var remaining = format.blockSize - headerSize
    withUnsafeBytes(of: (UInt64(0), UInt64(0), UInt64(0), UInt64(0))) { zeros in
      while remaining > 0 {
        let count = min(remaining, zeros.count)
        checksum = CRC32C.checksum(
          of: UnsafeRawBufferPointer(rebasing: zeros[..<count]), from: checksum)
        remaining -= count
      }
    }
    return found == checksum
  }

  /// With v1: whether the block's checksum is that of the transaction, or there is none, as in a journal that got the feature while
  /// it was in use.
  public static func matches(_ bytes: UnsafeRawBufferPointer, transaction: UInt32) -> Bool {
    let type = bytes[12]
    let size = bytes[13]
    let found = bytes.bigEndian32(at: 16)
    return type == crc32Type && size == crc32Size && found == transaction
      || type == 0 && size == 0 && found == 0
  }
}
