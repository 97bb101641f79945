import Journal
import TestSupport
import Testing

/// Journals whose superblock cannot be trusted are not.
@Suite struct OpenJournalTests {
  /// Changes bytes of the superblock of a log that is fine.
  private func error(
    _ features: JournalFeatures = JournalFeatures(incompatible: .revoke), at offset: Int,
    _ bytes: [UInt8]
  ) throws -> JournalError? {
    var log = try LogBuilder(features)
    try log.transaction([(100, 1)])
    try log.finish()
    try log.device.write(bytes, at: UInt64(LogBuilder.journalStart * 1024 + offset))
    let before = try log.file.contents
    do throws(JournalError) {
      try log.recover()
      return nil
    } catch {
      #expect(try log.file.contents == before)
      #expect(error.description.hasPrefix("its journal ") && error.description.contains("; "))
      return error
    }
  }

  @Test func superblocksThatAreWrong() throws {
    #expect(try error(at: 3, [0]) == .noSuperblock)
    #expect(try error(at: 7, [1]) == .noSuperblock)
    #expect(try error(at: 0x0E, [8]) == .blockSize(journal: 2048, fileSystem: 1024))
    #expect(try error(at: 0x12, [5]) == .tooLong(claimed: 1280, present: 1024))
    #expect(try error(at: 0x12, [3]) == .tooShort(768))
    #expect(
      try error(at: 0x10, [0xFF, 0xFF, 0xFF, 0xFF]) == .tooLong(claimed: .max, present: 1024))
    #expect(try error(at: 0x17, [0]) == .firstBlock(0))
    #expect(try error(at: 0x14, [0xFF]) == .firstBlock(0xFF00_0001))
    #expect(try error(at: 0x17, [9]) == .tooShort(1024))
    #expect(try error(at: 0x1C, [0, 0, 4, 0]) == .start(1024))
    #expect(try error(at: 0x1C, [0xFF, 0xFF, 0xFF, 0xFF]) == .start(.max))
    #expect(try error(at: 0x2B, [0x41]) == .unsupported(["FEATURE_I6"]))
    #expect(try error(at: 0x2F, [0x01]) == .unsupported(["FEATURE_R0"]))
    #expect(try error(at: 0x2B, [0x19]) == .checksumFeatures)
    #expect(try error(at: 0x2B, [0x11]) == .checksumFeatures, "no type")
    // A quarter of the log for fast commits leaves too little.
    #expect(try error(at: 0x2B, [0x21]) == .tooShort(1024))
    #expect(try error(at: 0x20, [0xFF, 0xFF, 0xFF, 0xFB]) == nil, "an error is no reason")
  }

  @Test func aWrongChecksum() throws {
    let features = JournalFeatures(incompatible: [.revoke, .checksumV3])
    #expect(try error(features, at: 0x58, [1]) == .superblockChecksum)
    #expect(try error(features, at: 0xFF, [1, 2]) == .superblockChecksum)
    #expect(try error(features, at: 0x50, [1]) == .checksumFeatures)
  }

  /// Version 1 has no features, whatever its bytes say.
  @Test func versionOne() throws {
    var log = try LogBuilder()
    try log.transaction([(100, 1)])
    try log.finish()
    let place = UInt64(LogBuilder.journalStart * 1024)
    try log.device.write([3], at: place + 7)
    try log.device.write([0xFF, 0xFF, 0xFF, 0xFF], at: place + 0x28)
    #expect(try log.recover().0.transactions == 1)
    #expect(try log.home(100) == 1)
  }

  @Test func anEmptyOneIsLeftAlone() throws {
    var log = try LogBuilder(start: 0)
    log.superblock.start = 0
    try log.finish()
    let before = try log.file.contents
    #expect(try log.recover().0 == JournalRecovery.Outcome())
    #expect(try log.file.contents == before)
  }

  @Test func oneThatIsGivenUpIsEmpty() throws {
    var log = try LogBuilder()
    try log.transaction([(100, 1)])
    try log.finish()
    var journal = try OpenJournal(area: log.area)
    try JournalRecovery.discard(&journal)
    #expect(journal.superblock.start == 0 && journal.superblock.sequence == 9)
    #expect(try log.home(100) == 0)
    #expect(try OpenJournal(area: log.area).superblock == journal.superblock)
  }
}
