import CExt2FS
import Journal
import TestSupport
import Testing

/// Our own writers and readers against each other; `KernelFormatTests` holds them against the kernel.
@Suite struct FormatTests {
  static let features: [JournalFeatures] = {
    let wide: [JournalFeatures.Incompatible] = [[], .wideBlockNumbers]
    return wide.flatMap { width in
      [
        JournalFeatures(incompatible: width),
        JournalFeatures(compatible: .checksum, incompatible: width),
        JournalFeatures(incompatible: width.union(.checksumV2)),
        JournalFeatures(incompatible: width.union(.checksumV3)),
      ]
    }
  }()

  static let formats: [JournalFormat] = [1024, 4096].flatMap { blockSize in
    features.map { features in
      let uuid = SeededGenerator.bytes(16, seed: 9).withUnsafeBytes { FileSystemUUID($0) }
      return JournalFormat(blockSize: blockSize, features: features, uuid: uuid)
    }
  }

  private func withBlock<R>(
    _ format: JournalFormat, _ body: (UnsafeMutableRawBufferPointer) throws -> R
  ) rethrows -> R {
    // Garbage, of which nothing may be left.
    var block = SeededGenerator.bytes(format.blockSize, seed: 1)
    return try block.withUnsafeMutableBytes { try body($0) }
  }

  private func number(_ index: Int, _ format: JournalFormat) -> BlockNumber {
    let low = UInt64(index) &* 2_654_435_761 & 0xFFFF_FFFF
    return BlockNumber(format.hasWideBlockNumbers ? low | UInt64(index) << 33 : low)
  }

  @Test(arguments: formats)
  func descriptorsAreReadAsTheyWereWritten(format: JournalFormat) {
    withBlock(format) { block in
      var writer = DescriptorBlockWriter(block, sequence: 7, format: format)
      #expect(writer.isEmpty)
      var tags: [BlockTag] = []
      while writer.hasRoom {
        var tag = BlockTag(
          block: number(tags.count, format), checksum: 0xABCD_0000 | UInt32(tags.count))
        if tags.count % 3 == 1 { tag.flags = .escaped }
        let fits = writer.append(tag)
        #expect(fits)
        tags.append(tag)
      }
      let refused = writer.append(BlockTag(block: BlockNumber(1)))
      #expect(!refused)
      #expect(tags.count == DescriptorBlock.capacity(format))
      writer.finish()

      let bytes = UnsafeRawBufferPointer(block)
      #expect(JournalBlockHeader(bytes) == JournalBlockHeader(.descriptor, sequence: 7))
      let descriptor = DescriptorBlock(bytes, format: format)
      #expect(descriptor.isChecksumValid)
      #expect(descriptor.tagCount == tags.count)
      for (index, (found, expected)) in zip(descriptor, tags).enumerated() {
        #expect(found.block == expected.block)
        var flags = expected.flags
        if index > 0 { flags.insert(.sameUUID) }
        if index == tags.count - 1 { flags.insert(.last) }
        #expect(found.flags == flags)
        #expect(format.matches(found, checksum: expected.checksum))
        #expect(
          !format.checksum.coversBlocks || !format.matches(found, checksum: ~expected.checksum))
      }
      if format.checksum.coversBlocks {
        block[100] ^= 1
        #expect(!DescriptorBlock(bytes, format: format).isChecksumValid)
      }
    }
  }

  /// One tag, and one less than there is room for: the last of them ends the list.
  @Test(arguments: formats)
  func descriptorsEndWithTheirLastTag(format: JournalFormat) {
    for count in [1, 2, DescriptorBlock.capacity(format) - 1] {
      withBlock(format) { block in
        var writer = DescriptorBlockWriter(block, sequence: 7, format: format)
        for index in 0..<count { _ = writer.append(BlockTag(block: number(index, format))) }
        writer.finish()
        let descriptor = DescriptorBlock(UnsafeRawBufferPointer(block), format: format)
        #expect(descriptor.map(\.block) == (0..<count).map { number($0, format) })
      }
    }
  }

  @Test(arguments: formats)
  func revokesAreReadAsTheyWereWritten(format: JournalFormat) {
    withBlock(format) { block in
      var writer = RevokeBlockWriter(block, sequence: 9, format: format)
      #expect(writer.isEmpty)
      var numbers: [BlockNumber] = []
      while writer.hasRoom {
        let fits = writer.append(number(numbers.count, format))
        #expect(fits)
        numbers.append(number(numbers.count, format))
      }
      let refused = writer.append(BlockNumber(1))
      #expect(!refused)
      #expect(numbers.count == RevokeBlock.capacity(format))
      writer.finish()
      let bytes = UnsafeRawBufferPointer(block)
      #expect(JournalBlockHeader(bytes) == JournalBlockHeader(.revoke, sequence: 9))
      #expect(RevokeBlock.isChecksumValid(bytes, format: format))
      #expect(RevokeBlock(bytes, format: format).map { Array($0) } == numbers)
    }
  }

  /// A count that is larger than the block, and counts that end within the header or an entry.
  @Test(arguments: formats)
  func revokeCountsAreNotTrusted(format: JournalFormat) {
    withBlock(format) { block in
      var writer = RevokeBlockWriter(block, sequence: 9, format: format)
      _ = writer.append(BlockNumber(3))
      writer.finish()
      func entries(_ count: UInt32) -> Int? {
        block.storeBytes(of: count.bigEndian, toByteOffset: 12, as: UInt32.self)
        return RevokeBlock(UnsafeRawBufferPointer(block), format: format).map { Array($0).count }
      }
      #expect(entries(UInt32.max) == nil)
      #expect(entries(UInt32(format.blockSize - format.tailSize) + 1) == nil)
      #expect(entries(0) == 0)
      #expect(entries(15) == 0)
      #expect(entries(UInt32(16 + format.revokeSize - 1)) == 0)
      #expect(entries(UInt32(16 + format.revokeSize)) == 1)
    }
  }

  @Test(arguments: formats)
  func commitsAreReadAsTheyWereWritten(format: JournalFormat) {
    withBlock(format) { block in
      let commit = CommitBlock(
        sequence: 12, seconds: 0x1_2345_6789, nanoseconds: 999_999_999,
        transactionChecksum: format.checksum == .v1 ? 0xDEAD_BEEF : nil)
      commit.encode(into: block, format: format)
      let bytes = UnsafeRawBufferPointer(block)
      #expect(JournalBlockHeader(bytes) == JournalBlockHeader(.commit, sequence: 12))
      let found = CommitBlock(bytes)
      #expect(found.seconds == commit.seconds && found.nanoseconds == commit.nanoseconds)
      #expect(CommitBlock.isChecksumValid(bytes, format: format))
      if format.checksum == .v1 {
        #expect(found == commit)
        #expect(CommitBlock.matches(bytes, transaction: 0xDEAD_BEEF))
        #expect(!CommitBlock.matches(bytes, transaction: 0xDEAD_BEEE))
      }
      guard format.checksum.coversBlocks else { return }
      // What is behind the structure may be older than it; what is in it, not.
      block[format.blockSize - 1] = 1
      #expect(CommitBlock.isChecksumValid(bytes, format: format))
      block[50] ^= 1
      #expect(!CommitBlock.isChecksumValid(bytes, format: format))
    }
  }

  @Test func aCommitWithoutChecksumBelongsToAnyTransaction() {
    let format = Self.formats[1]
    withBlock(format) { block in
      CommitBlock(sequence: 1, seconds: 2, nanoseconds: 3).encode(into: block, format: format)
      #expect(CommitBlock.matches(UnsafeRawBufferPointer(block), transaction: 77))
    }
  }

  /// Known answers: the check values of CRC-32C and CRC-32/BZIP2 (without their final inversion), for "123456789".
  @Test func checksumsAreTheRightOnes() {
    let digits = Array("123456789".utf8)
    var transaction = TransactionChecksum()
    digits.withUnsafeBytes { transaction.add($0) }
    #expect(~transaction.value == 0xFC89_1918)
    #expect(digits.withUnsafeBytes { ~cext2fs_crc32c(~0, $0.baseAddress, $0.count) } == 0xE306_9283)
  }
}

extension JournalFormat: CustomTestStringConvertible {
  public var testDescription: String {
    "\(blockSize) bytes, checksum \(checksum), \(hasWideBlockNumbers ? 64 : 32) bits"
  }
}
