import Journal
import SystemPackage
import TestSupport

/// A device in memory with a journal, and whatever log a test wants in it, right or wrong.
struct LogBuilder {
  static let blockSize = 1024
  /// Blocks of the device. The journal's follow the first half.
  static let deviceBlocks = 4096
  static let journalStart = 2048
  static let journalBlocks: UInt32 = 1024

  let file: MemoryFile
  var superblock: JournalSuperblock
  private(set) var position: UInt32 = 1
  var sequence: UInt32 = 7
  var seconds: UInt64 = 1000

  var format: JournalFormat { superblock.format }
  var device: BlockDevice {
    file.device(count: Int64(Self.deviceBlocks * Self.blockSize))
  }

  var area: JournalArea {
    let run = JournalArea.Run(
      first: BlockNumber(UInt64(Self.journalStart)), count: Self.journalBlocks)
    return JournalArea(device: device, blockSize: Self.blockSize, runs: [run])
  }

  init(_ features: JournalFeatures = JournalFeatures(incompatible: .revoke), start: UInt32 = 1)
    throws
  {
    file = try MemoryFile([UInt8](repeating: 0, count: Self.deviceBlocks * Self.blockSize))
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.replaceSubrange(0..<4, with: [0xC0, 0x3B, 0x39, 0x98])
    bytes[7] = 4
    bytes.replaceSubrange(0x0C..<0x10, with: [0, 0, 4, 0])
    bytes.replaceSubrange(0x10..<0x14, with: [0, 0, 4, 0])
    bytes[0x17] = 1
    bytes.replaceSubrange(0x30..<0x40, with: SeededGenerator.bytes(16, seed: 3))
    guard let made = bytes.withUnsafeBytes({ JournalSuperblock($0) }) else {
      throw Failure("not a superblock")
    }
    superblock = made
    superblock.features = features
    superblock.sequence = sequence
    superblock.start = start
    position = start
  }

  /// Writes a block where the log has come to.
  mutating func append(_ block: [UInt8]) throws {
    try area.device.write(block, at: UInt64((Self.journalStart + Int(position)) * Self.blockSize))
    position = position + 1 == Self.journalBlocks ? 1 : position + 1
  }

  private func block(_ fill: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: Self.blockSize)
    block.withUnsafeMutableBytes { fill($0) }
    return block
  }

  func descriptor(_ blocks: [(home: UInt64, content: [UInt8])], isEscaped: Bool = false) -> [UInt8]
  {
    block { bytes in
      var writer = DescriptorBlockWriter(bytes, sequence: sequence, format: format)
      for (home, content) in blocks {
        let sum = content.withUnsafeBytes { format.checksum(ofBlock: $0, sequence: sequence) }
        _ = writer.append(
          BlockTag(
            block: BlockNumber(home), flags: isEscaped ? .escaped : [], checksum: sum))
      }
      writer.finish()
    }
  }

  func revoke(_ blocks: [UInt64]) -> [UInt8] {
    block { bytes in
      var writer = RevokeBlockWriter(bytes, sequence: sequence, format: format)
      for number in blocks { _ = writer.append(BlockNumber(number)) }
      writer.finish()
    }
  }

  func commit(_ checksum: UInt32? = nil) -> [UInt8] {
    block { bytes in
      CommitBlock(
        sequence: sequence, seconds: seconds, nanoseconds: 0, transactionChecksum: checksum
      ).encode(into: bytes, format: format)
    }
  }

  static func content(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: blockSize) }

  /// A whole transaction that writes `blocks`, each filled with one byte, and revokes others.
  mutating func transaction(_ blocks: [(UInt64, UInt8)], revoking revoked: [UInt64] = []) throws {
    let contents = blocks.map { (home: $0.0, content: Self.content($0.1)) }
    var sum = TransactionChecksum()
    if !revoked.isEmpty { try append(revoke(revoked)) }
    if !contents.isEmpty {
      let descriptor = descriptor(contents)
      descriptor.withUnsafeBytes { sum.add($0) }
      try append(descriptor)
      for (_, content) in contents {
        content.withUnsafeBytes { sum.add($0) }
        try append(content)
      }
    }
    try append(commit(sum.value))
    sequence &+= 1
    seconds += 5
  }

  /// Writes the superblock as it is, right or wrong.
  func finish() throws {
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.withUnsafeMutableBytes { superblock.encode(into: $0) }
    try device.write(bytes, at: UInt64(Self.journalStart * Self.blockSize))
  }

  /// Opens and replays it.
  @discardableResult
  func recover(
    blockCount: UInt64 = UInt64(LogBuilder.deviceBlocks)
  ) throws(JournalError) -> (JournalRecovery.Outcome, OpenJournal) {
    var journal = try OpenJournal(area: area)
    let outcome = try JournalRecovery(
      fileSystem: device, firstBlock: 1, blockCount: blockCount
    ).run(&journal)
    return (outcome, journal)
  }

  /// The byte that a block of the device is filled with.
  func home(_ block: UInt64) throws -> UInt8 {
    try device.read(1, at: block * UInt64(Self.blockSize) + 700)[0]
  }
}
