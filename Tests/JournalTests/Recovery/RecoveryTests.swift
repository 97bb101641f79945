import Journal
import TestSupport
import Testing

/// What recovery makes of logs that are made for it, in memory.
@Suite struct RecoveryTests {
  static let features: [JournalFeatures] = [
    JournalFeatures(incompatible: .revoke),
    JournalFeatures(compatible: .checksum, incompatible: [.revoke, .wideBlockNumbers]),
    JournalFeatures(incompatible: [.revoke, .checksumV2]),
    JournalFeatures(incompatible: [.revoke, .checksumV3, .wideBlockNumbers]),
  ]

  @Test(arguments: features)
  func theLastCopyGoesHomeUnlessItIsRevoked(features: JournalFeatures) throws {
    // Three transactions that go round the end of the log.
    var log = try LogBuilder(features, start: 1020)
    try log.transaction([(100, 1), (101, 1), (102, 1), (103, 1)])
    try log.transaction([(101, 2), (104, 2)], revoking: [100, 103])
    try log.transaction([(102, 3), (103, 3)])
    try log.finish()
    let (outcome, journal) = try log.recover()
    #expect(outcome.transactions == 3 && outcome.first == 7 && outcome.last == 9)
    #expect(outcome.blocks == 4 && outcome.revokes == 2)
    #expect(try (100...105).map { try log.home($0) } == [0, 2, 3, 3, 2, 0])
    #expect(!journal.superblock.needsRecovery)
    #expect(
      journal.superblock.sequence == 11, "beyond the transaction that might be in the log in part")
    #expect(journal.superblock.head == log.position)
    // It is so on the device, and there is nothing left to do.
    let again = try OpenJournal(area: log.area)
    #expect(again.superblock == journal.superblock && again.superblock.isChecksumValid)
    #expect(try log.recover().0 == JournalRecovery.Outcome())
  }

  @Test(arguments: features)
  func blocksThatLookLikeTheLogsGetTheirMagicNumberBack(features: JournalFeatures) throws {
    var log = try LogBuilder(features)
    var content = LogBuilder.content(5)
    content.replaceSubrange(0..<4, with: [0, 0, 0, 0])
    var sum = TransactionChecksum()
    let descriptor = log.descriptor([(200, content)], isEscaped: true)
    for block in [descriptor, content] { block.withUnsafeBytes { sum.add($0) } }
    try log.append(descriptor)
    try log.append(content)
    try log.append(log.commit(sum.value))
    try log.finish()
    try log.recover()
    #expect(try log.device.read(5, at: 200 * 1024) == [0xC0, 0x3B, 0x39, 0x98, 5])
  }

  /// Numbers of transactions go round, too.
  @Test func sequenceNumbersWrap() throws {
    var log = try LogBuilder()
    log.sequence = UInt32.max - 1
    log.superblock.sequence = log.sequence
    for byte in 1...4 as ClosedRange<UInt8> {
      try log.transaction([(300, byte), (301, byte)], revoking: byte == 3 ? [301] : [])
    }
    try log.finish()
    let (outcome, journal) = try log.recover()
    #expect(outcome.transactions == 4 && journal.superblock.sequence == 3)
    #expect(try log.home(300) == 4)
  }

  @Test func aTransactionWithoutItsEndIsNone() throws {
    for missing in 1...3 {
      var log = try LogBuilder()
      try log.transaction([(100, 1)])
      let blocks = [
        log.descriptor([(100, LogBuilder.content(2))]), LogBuilder.content(2), log.commit(),
      ]
      for block in blocks.dropLast(missing) { try log.append(block) }
      try log.finish()
      let (outcome, _) = try log.recover()
      #expect(outcome.transactions == 1)
      #expect(try log.home(100) == 1)
    }
  }

  // MARK: Damage

  @Test func aWrongChecksumIsDamageUnlessTheRecordIsOld() throws {
    for features in Self.features.dropFirst() {
      for isOld in [false, true] {
        var log = try LogBuilder(features)
        try log.transaction([(100, 1)])
        let bad = log
        try log.transaction([(100, 2)])
        // The commit record, which covers the transaction (v1) or itself.
        var changed = bad
        if isOld { changed.seconds = 3 }
        var record = changed.commit(77)
        if features.checksum != .v1 {
          record[20] ^= 1
          record[17] ^= 1
        }
        try log.device.write(record, at: UInt64((LogBuilder.journalStart + 6) * 1024))
        try log.finish()
        if isOld {
          let (outcome, _) = try log.recover()
          #expect(outcome.transactions == 1, "\(features)")
          #expect(try log.home(100) == 1)
        } else {
          #expect(throws: JournalError.damagedTransaction(8)) { try log.recover() }
          #expect(try log.home(100) == 0, "nothing is written")
        }
      }
    }
  }

  @Test func withAsyncCommitItEndsTheLog() throws {
    for checksum in [JournalFeatures.Incompatible.checksumV3, []] {
      let features = JournalFeatures(
        compatible: checksum.isEmpty ? .checksum : [],
        incompatible: checksum.union([.revoke, .asyncCommit]))
      var log = try LogBuilder(features)
      try log.transaction([(100, 1)])
      let place = log.position
      try log.transaction([(100, 2)])
      try log.device.write(
        checksum.isEmpty ? LogBuilder.content(9) : [0xFF],
        at: UInt64((LogBuilder.journalStart + Int(place) + (checksum.isEmpty ? 1 : 2)) * 1024)
          + (checksum.isEmpty ? 0 : 18))
      try log.finish()
      let (outcome, _) = try log.recover()
      #expect(outcome.transactions == 1)
      #expect(try log.home(100) == 1)
    }
  }

  @Test func aDamagedCopyIsDamage() throws {
    var log = try LogBuilder(Self.features[3])
    try log.transaction([(100, 1), (101, 1)])
    try log.device.write([9], at: UInt64((LogBuilder.journalStart + 3) * 1024))
    try log.finish()
    #expect(throws: JournalError.damagedBlock(BlockNumber(101), transaction: 7)) {
      try log.recover()
    }
    #expect(try log.home(100) == 0)
  }

  /// Revoked, it does not matter.
  @Test func aDamagedCopyThatIsRevokedIsNot() throws {
    var log = try LogBuilder(Self.features[3])
    try log.transaction([(100, 1), (101, 1)])
    try log.transaction([(102, 1)], revoking: [101])
    try log.device.write([9], at: UInt64((LogBuilder.journalStart + 3) * 1024))
    try log.finish()
    try log.recover()
    #expect(try (100...102).map { try log.home($0) } == [1, 0, 1])
  }

  // MARK: Hostile logs

  @Test(arguments: [0, 4096, 0xFFFF_FFFF] as [UInt64])
  func nothingGoesOutsideOfTheFileSystem(block: UInt64) throws {
    var log = try LogBuilder()
    try log.transaction([(100, 1), (block, 1)])
    try log.finish()
    #expect(throws: JournalError.outside(BlockNumber(block), transaction: 7)) { try log.recover() }
    #expect(try log.home(100) == 0)
  }

  @Test func theFileSystemMayBeSmallerThanItsDevice() throws {
    var log = try LogBuilder()
    try log.transaction([(1000, 1), (1001, 1)])
    try log.finish()
    #expect(throws: JournalError.outside(BlockNumber(1000), transaction: 7)) {
      try log.recover(blockCount: 1000)
    }
    // Unless it was about to grow.
    var superblock = LogBuilder.content(0)
    superblock.replaceSubrange(4..<8, with: [0xEA, 0x03, 0, 0])
    superblock.replaceSubrange(0x38..<0x3A, with: [0x53, 0xEF])
    try log.append(log.descriptor([(1, superblock)]))
    try log.append(superblock)
    try log.append(log.commit())
    #expect(try log.recover(blockCount: 1000).0.blocks == 3)
  }

  @Test(arguments: [2048, 2500, 3071] as [UInt64])
  func nothingGoesIntoTheJournal(block: UInt64) throws {
    var log = try LogBuilder()
    try log.transaction([(block, 1)])
    try log.finish()
    #expect(throws: JournalError.insideJournal(BlockNumber(block))) { try log.recover() }
  }

  /// Descriptors, revokes or damaged commits of one transaction, all around.
  @Test func aLogWithoutAnEndEnds() throws {
    for features in Self.features {
      for kind in 0..<4 {
        var log = try LogBuilder(features)
        for _ in 0..<1023 {
          switch kind {
          case 0: try log.append(log.descriptor([]))
          case 1: try log.append(log.descriptor([(5, LogBuilder.content(1))]))
          case 2: try log.append(log.revoke([1, 2]))
          default:
            try log.append(log.commit())
            log.sequence &+= 1
          }
        }
        try log.finish()
        let outcome = try? log.recover().0
        if kind < 3 { #expect(outcome?.blocks ?? 0 == 0) }
      }
    }
  }

  @Test func revokesThatAreTooManyAreDamage() throws {
    var log = try LogBuilder()
    var block = log.revoke([1])
    block.replaceSubrange(12..<16, with: [0xFF, 0xFF, 0xFF, 0xFF])
    try log.append(block)
    try log.append(log.commit())
    try log.finish()
    #expect(throws: JournalError.damagedTransaction(7)) { try log.recover() }
  }

  /// Random changes, with the checksums made right again where that is easy: any answer but a crash or a write to where nothing
  /// should go.
  @Test func garbageIsSurvived() throws {
    var random = SeededGenerator(seed: 4)
    var recovered = 0
    for round in 0..<400 {
      var log = try LogBuilder(Self.features[round % 4], start: UInt32(random.number(1..<1024)))
      for byte in 1...6 as ClosedRange<UInt8> {
        try log.transaction(
          (0..<random.number(1..<20)).map { _ in (UInt64(random.number(1..<2048)), byte) },
          revoking: [UInt64(random.number(1..<2048))])
      }
      try log.finish()
      for _ in 0..<random.number(1..<12) {
        let block = random.oneIn(4) ? 0 : random.number(1..<1024)
        let offset = random.oneIn(2) ? random.number(0..<64) : random.number(0..<1024)
        try log.device.write(
          [UInt8(truncatingIfNeeded: random.next())],
          at: UInt64((LogBuilder.journalStart + block) * 1024 + offset))
      }
      if (try? log.recover()) != nil { recovered += 1 }
    }
    #expect(recovered > 20)
  }
}
