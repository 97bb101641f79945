import Glibc

/// A block of the log that lists blocks whose earlier copies in the log must not go home, since they were freed
/// (`jbd2_journal_revoke_header_t`).
public struct RevokeBlock: Sequence {
  static let headerSize = 16
  private let bytes: UnsafeRawBufferPointer
  private let format: JournalFormat
  /// Bytes of the block that are used, with the header.
  private let usedBytes: Int

  /// Nil when more of the block is used than it has. `bytes` are a whole block, whose header was looked at.
  public init?(_ bytes: UnsafeRawBufferPointer, format: JournalFormat) {
    let used = bytes.bigEndian32(at: 12)
    guard used <= UInt32(format.blockSize - format.tailSize) else { return nil }
    self.bytes = bytes
    self.format = format
    usedBytes = Int(used)
  }

  public static func isChecksumValid(
    _ bytes: UnsafeRawBufferPointer, format: JournalFormat
  ) -> Bool {
    format.hasValidTail(bytes)
  }

  public func makeIterator() -> Iterator {
    Iterator(bytes: bytes, format: format, usedBytes: usedBytes)
  }

  public struct Iterator: IteratorProtocol {
    private let bytes: UnsafeRawBufferPointer
    private let format: JournalFormat
    private let usedBytes: Int
    private var offset = RevokeBlock.headerSize

    fileprivate init(bytes: UnsafeRawBufferPointer, format: JournalFormat, usedBytes: Int) {
      self.bytes = bytes
      self.format = format
      self.usedBytes = usedBytes
    }

    public mutating func next() -> BlockNumber? {
      guard offset + format.revokeSize <= usedBytes else { return nil }
      defer { offset += format.revokeSize }
      return BlockNumber(
        format.hasWideBlockNumbers
          ? bytes.bigEndian64(at: offset) : UInt64(bytes.bigEndian32(at: offset)))
    }
  }

  /// How many block numbers have room in a block.
  public static func capacity(_ format: JournalFormat) -> Int {
    (format.blockSize - format.tailSize - headerSize) / format.revokeSize
  }
}

/// Fills a revoke block.
public struct RevokeBlockWriter {
  private let block: UnsafeMutableRawBufferPointer
  private let format: JournalFormat
  private var offset = RevokeBlock.headerSize

  /// `block` has the size of one, and stays where it is until `finish`. What is in it does not matter.
  public init(
    _ block: UnsafeMutableRawBufferPointer, sequence: UInt32, format: JournalFormat
  ) {
    self.block = block
    self.format = format
    memset(block.baseAddress!, 0, format.blockSize)
    JournalBlockHeader(.revoke, sequence: sequence).encode(into: block)
  }

  public var isEmpty: Bool { offset == RevokeBlock.headerSize }

  public var hasRoom: Bool { offset + format.revokeSize <= format.blockSize - format.tailSize }

  /// False when there is no room.
  public mutating func append(_ number: BlockNumber) -> Bool {
    guard hasRoom else { return false }
    if format.hasWideBlockNumbers {
      block.setBigEndian64(number.rawValue, at: offset)
    } else {
      block.setBigEndian32(UInt32(truncatingIfNeeded: number.rawValue), at: offset)
    }
    offset += format.revokeSize
    return true
  }

  /// Sets the count and the checksum.
  public func finish() {
    block.setBigEndian32(UInt32(offset), at: 12)
    format.setTail(of: block)
  }
}
