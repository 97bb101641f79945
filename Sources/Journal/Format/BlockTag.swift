/// What a descriptor block says of one of the blocks that follow it (`journal_block_tag_t`, `journal_block_tag3_t`).
public struct BlockTag: Sendable, Equatable {
  public struct Flags: OptionSet, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// At home the block begins with the magic number, which is zeroed in the log.
    public static let escaped = Self(rawValue: 1)
    /// No UUID follows the tag.
    public static let sameUUID = Self(rawValue: 2)
    public static let deleted = Self(rawValue: 4)
    /// The descriptor's last.
    public static let last = Self(rawValue: 8)
  }

  /// Where the block goes, in blocks of the file system.
  public var block: BlockNumber
  public var flags: Flags
  /// That of the block in the log; of its 32 bits, v2 keeps 16.
  public var checksum: UInt32

  public init(block: BlockNumber, flags: Flags = [], checksum: UInt32 = 0) {
    self.block = block
    self.flags = flags
    self.checksum = checksum
  }

  init(_ bytes: UnsafeRawBufferPointer, at offset: Int, format: JournalFormat) {
    var number = UInt64(bytes.bigEndian32(at: offset))
    if format.hasWideBlockNumbers {
      number |= UInt64(bytes.bigEndian32(at: offset + 8)) << 32
    }
    block = BlockNumber(number)
    // With v3 the flags have 32 bits, of which the lower half is here.
    flags = Flags(rawValue: bytes.bigEndian16(at: offset + 6))
    checksum =
      switch format.checksum {
      case .none, .v1: 0
      case .v2: UInt32(bytes.bigEndian16(at: offset + 4))
      case .v3: bytes.bigEndian32(at: offset + 12)
      }
  }

  func encode(
    into bytes: UnsafeMutableRawBufferPointer, at offset: Int, format: JournalFormat
  ) {
    bytes.setBigEndian32(UInt32(truncatingIfNeeded: block.rawValue), at: offset)
    bytes.setBigEndian16(0, at: offset + 4)
    bytes.setBigEndian16(flags.rawValue, at: offset + 6)
    if format.hasWideBlockNumbers {
      bytes.setBigEndian32(UInt32(truncatingIfNeeded: block.rawValue >> 32), at: offset + 8)
    }
    switch format.checksum {
    case .none, .v1: break
    case .v2: bytes.setBigEndian16(UInt16(truncatingIfNeeded: checksum), at: offset + 4)
    case .v3: bytes.setBigEndian32(checksum, at: offset + 12)
    }
  }
}
