/// The superblock of a JBD2 journal: its first 1024 bytes, of which fields can be changed and the rest stays as it was.
///
/// Layout: `journal_superblock_t` in the kernel's include/linux/jbd2.h; all fields are big-endian.
public struct JournalSuperblock: Sendable, Equatable {
  public enum Version: UInt32, Sendable {
    /// As the first journals of ext3 had it: without what follows `errorCode`.
    case v1 = 3
    case v2 = 4
  }

  /// Bytes of a superblock; the rest of its block means nothing.
  public static let byteCount = 1024
  /// The journal's smallest size (JBD2_MIN_JOURNAL_BLOCKS).
  public static let minimumBlockCount: UInt32 = 1024
  /// Blocks for fast commits where the superblock says nothing (JBD2_DEFAULT_FAST_COMMIT_BLOCKS).
  public static let defaultFastCommitBlockCount: UInt32 = 256
  /// CRC32C, the only `checksumType` there is.
  public static let crc32cType: UInt8 = 4

  public private(set) var version: Version
  private var bytes: [UInt8]

  /// Nil when the bytes are no journal superblock (a wrong magic, an unknown type, or too few bytes). Bytes up to the 1024th
  /// that are not there are zero.
  public init?(_ source: UnsafeRawBufferPointer) {
    guard source.count >= Offset.compatible, let header = JournalBlockHeader(source) else {
      return nil
    }
    switch header.type {
    case .superblockV1: version = .v1
    case .superblockV2: version = .v2
    default: return nil
    }
    bytes = [UInt8](repeating: 0, count: Self.byteCount)
    let count = min(source.count, Self.byteCount)
    bytes.withUnsafeMutableBytes {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
    }
  }

  private enum Offset {
    static let blockSize = 0x0C
    static let blockCount = 0x10
    static let firstBlock = 0x14
    static let sequence = 0x18
    static let start = 0x1C
    static let errorCode = 0x20
    static let compatible = 0x24
    static let incompatible = 0x28
    static let readOnlyCompatible = 0x2C
    static let uuid = 0x30
    static let userCount = 0x40
    static let checksumType = 0x50
    static let fastCommitBlocks = 0x54
    static let head = 0x58
    static let checksum = 0xFC
    static let users = 0x100
  }

  private subscript(offset: Int) -> UInt32 {
    get { bytes.withUnsafeBytes { $0.bigEndian32(at: offset) } }
    set { bytes.withUnsafeMutableBytes { $0.setBigEndian32(newValue, at: offset) } }
  }

  /// Bytes a journal block.
  public var blockSize: UInt32 { self[Offset.blockSize] }
  /// Blocks in the journal, with its superblock and those for fast commits (`s_maxlen`).
  public var blockCount: UInt32 { self[Offset.blockCount] }
  /// The log's first block (`s_first`).
  public var firstBlock: UInt32 { self[Offset.firstBlock] }

  /// The first transaction expected in the log.
  public var sequence: UInt32 {
    get { self[Offset.sequence] }
    set { self[Offset.sequence] = newValue }
  }

  /// Where that transaction begins; 0 when the log is empty.
  public var start: UInt32 {
    get { self[Offset.start] }
    set { self[Offset.start] = newValue }
  }

  /// The error that aborted the journal; 0 for none.
  public var errorCode: Int32 {
    get { Int32(bitPattern: self[Offset.errorCode]) }
    set { self[Offset.errorCode] = UInt32(bitPattern: newValue) }
  }

  /// Where the log's next block goes, if a mount goes on where the last one stopped. Valid only for an empty log.
  public var head: UInt32 {
    get { version == .v1 ? 0 : self[Offset.head] }
    set { if version == .v2 { self[Offset.head] = newValue } }
  }

  /// Makes version 2 of version 1, so that the log may have features. Every kernel since Linux 2.4 knows both.
  public mutating func upgrade() {
    guard version == .v1 else { return }
    version = .v2
    self[4] = JournalBlockHeader.BlockType.superblockV2.rawValue
    for index in Offset.compatible..<Self.byteCount { bytes[index] = 0 }
    userCount = 1
  }

  /// None in version 1.
  public var features: JournalFeatures {
    get {
      guard version == .v2 else { return JournalFeatures() }
      return JournalFeatures(
        compatible: .init(rawValue: self[Offset.compatible]),
        incompatible: .init(rawValue: self[Offset.incompatible]),
        readOnlyCompatible: self[Offset.readOnlyCompatible])
    }
    set {
      guard version == .v2 else { return }
      self[Offset.compatible] = newValue.compatible.rawValue
      self[Offset.incompatible] = newValue.incompatible.rawValue
      self[Offset.readOnlyCompatible] = newValue.readOnlyCompatible
      if newValue.checksum.coversBlocks { checksumType = Self.crc32cType }
    }
  }

  public var uuid: FileSystemUUID {
    bytes.withUnsafeBytes { FileSystemUUID($0, at: Offset.uuid) }
  }

  /// How many file systems say that this is their journal.
  public private(set) var userCount: UInt32 {
    get { self[Offset.userCount] }
    set { self[Offset.userCount] = newValue }
  }

  /// Those file systems. An internal journal names none.
  public var users: [FileSystemUUID] {
    guard version == .v2 else { return [] }
    let count = Int(min(userCount, 48))
    return bytes.withUnsafeBytes { bytes in
      (0..<count).map { FileSystemUUID(bytes, at: Offset.users + 16 * $0) }
    }
  }

  public var checksumType: UInt8 {
    get { bytes[Offset.checksumType] }
    set { bytes[Offset.checksumType] = newValue }
  }

  /// Blocks at the journal's end that fast commits have for their own; 0 without the feature.
  public var fastCommitBlockCount: UInt32 {
    guard features.contains(.fastCommit) else { return 0 }
    let count = self[Offset.fastCommitBlocks]
    return count == 0 ? Self.defaultFastCommitBlockCount : count
  }

  /// The blocks through which the log goes round. Empty if the fields contradict each other.
  public var logBlocks: Range<UInt32> {
    let first = firstBlock
    let reserved = fastCommitBlockCount
    guard reserved <= blockCount, first < blockCount - reserved else { return first..<first }
    return first..<(blockCount - reserved)
  }

  /// True when transactions may wait for replay.
  public var needsRecovery: Bool { start != 0 }

  /// What the log's blocks look like.
  public var format: JournalFormat {
    JournalFormat(blockSize: Int(blockSize), features: features, uuid: uuid)
  }

  /// The superblock's own checksum is right, or there is none.
  public var isChecksumValid: Bool {
    !features.checksum.coversBlocks || self[Offset.checksum] == computedChecksum
  }

  private var computedChecksum: UInt32 {
    bytes.withUnsafeBytes { CRC32C.checksum(of: $0, from: ~0, zeroAt: Offset.checksum) }
  }

  /// Makes the checksum that of the other fields, as `encode` writes it.
  public mutating func updateChecksum() {
    if features.checksum.coversBlocks { self[Offset.checksum] = computedChecksum }
  }

  /// Writes the 1024 bytes to the beginning of `buffer`, with the checksum that belongs to them.
  public func encode(into buffer: UnsafeMutableRawBufferPointer) {
    var copy = self
    copy.updateChecksum()
    copy.bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
  }
}
