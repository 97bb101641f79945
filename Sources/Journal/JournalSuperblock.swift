import Glibc

/// The superblock of a JBD2 journal, as far as it says whether there is something to recover.
///
/// Layout: `journal_superblock_t` in the kernel's include/linux/jbd2.h; all fields are big-endian.
public struct JournalSuperblock: Sendable {
  public enum Version: UInt32, Sendable {
    case v1 = 3
    case v2 = 4
  }

  static let magic: UInt32 = 0xC03B_3998

  public let version: Version
  /// Bytes a journal block.
  public let blockSize: UInt32
  /// Blocks in the journal.
  public let blockCount: UInt32
  /// The first transaction expected in the log.
  public let sequence: UInt32
  /// The log's first block; 0 when the log is empty.
  public let start: UInt32
  /// The error that aborted the journal; 0 for none.
  public let errorCode: Int32

  /// True when committed transactions wait for replay.
  public var needsRecovery: Bool { start != 0 }

  /// Nil when the bytes are no journal superblock (a wrong magic, an unknown type, or too few bytes).
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 36 else { return nil }
    func field(_ offset: Int) -> UInt32 {
      UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    guard field(0) == Self.magic, let version = Version(rawValue: field(4)) else { return nil }
    self.version = version
    blockSize = field(12)
    blockCount = field(16)
    sequence = field(24)
    start = field(28)
    errorCode = Int32(bitPattern: field(32))
  }
}
