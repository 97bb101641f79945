/// How each block begins that belongs to the log itself (`journal_header_t`).
public struct JournalBlockHeader: Sendable, Equatable {
  public static let magic: UInt32 = 0xC03B_3998
  public static let byteCount = 12

  public enum BlockType: UInt32, Sendable {
    case descriptor = 1
    case commit = 2
    case superblockV1 = 3
    case superblockV2 = 4
    case revoke = 5
  }

  /// Nil for an unknown type, at which the log ends.
  public let type: BlockType?
  /// The transaction that the block belongs to.
  public let sequence: UInt32

  public init(_ type: BlockType, sequence: UInt32) {
    self.type = type
    self.sequence = sequence
  }

  /// Nil without the magic number.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Self.byteCount, Self.hasMagic(bytes) else { return nil }
    type = BlockType(rawValue: bytes.bigEndian32(at: 4))
    sequence = bytes.bigEndian32(at: 8)
  }

  /// The block begins as those of the log do; one that goes home must then be escaped.
  public static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.bigEndian32(at: 0) == magic
  }

  func encode(into block: UnsafeMutableRawBufferPointer) {
    block.setBigEndian32(Self.magic, at: 0)
    block.setBigEndian32(type?.rawValue ?? 0, at: 4)
    block.setBigEndian32(sequence, at: 8)
  }
}
