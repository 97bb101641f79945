import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import Journal

/// The log as it is written: read again by recovery, and from memory.
struct JournalLogTests {
  static let features: [JournalFeatures] = [
    JournalFeatures(),
    JournalFeatures(compatible: .checksum),
    JournalFeatures(incompatible: [.revoke, .checksumV2]),
    JournalFeatures(incompatible: [.revoke, .checksumV3, .wideBlockNumbers]),
    JournalFeatures(incompatible: [.revoke, .wideBlockNumbers]),
  ]

  @Test(arguments: features) func whatIsCommittedIsRecovered(_ features: JournalFeatures) throws {
    let disk = try LogFixture(features)
    try disk.cache.replace(7, with: disk.block(1))
    try disk.commit()
    // One that looks like a block of the log, and one that changes once more.
    try disk.cache.replace(8, with: disk.magicBlock)
    try disk.cache.replace(7, with: disk.block(2))
    try disk.commit()
    // What is not committed is lost.
    try disk.cache.replace(9, with: disk.block(3))

    #expect(try disk.atHome(7) == disk.block(0))
    let outcome = try disk.recover()
    #expect(outcome.transactions == 2)
    #expect(try disk.atHome(7) == disk.block(2))
    #expect(try disk.atHome(8) == disk.magicBlock)
    #expect(try disk.atHome(9) == disk.block(0))
  }

  @Test func whatIsCommittedIsReadFromMemoryUntilItIsAtHome() throws {
    let disk = try LogFixture()
    try disk.cache.replace(7, with: disk.block(1))
    try disk.commit()
    // Twice, since what was used stays for a round.
    for _ in 0..<2 { disk.cache.trim(to: 0) }
    #expect(try disk.cache.contents(7) == disk.block(1))
    try disk.log.checkpoint()
    #expect(try disk.atHome(7) == disk.block(1))
    for _ in 0..<2 { disk.cache.trim(to: 0) }
    #expect(try disk.cache.contents(7) == disk.block(1))
    #expect(disk.log.counts.checkpoints == 1)
  }

  @Test func theLogGoesRoundAndBringsBlocksHomeInTime() throws {
    let disk = try LogFixture()
    // Some forty times round a log of a thousand blocks.
    for round in 1...UInt8(200) {
      for block in 0..<UInt64(200) { try disk.cache.replace(100 + block, with: disk.block(round)) }
      try disk.commit()
    }
    #expect(disk.log.counts.checkpoints >= 30)
    let outcome = try disk.recover()
    #expect(outcome.transactions >= 1 && outcome.transactions <= 5)
    for block in 0..<UInt64(200) { #expect(try disk.atHome(100 + block) == disk.block(200)) }
  }

  @Test func freedBlocksStayAsTheirNewOwnerLeavesThem() throws {
    let disk = try LogFixture(JournalFeatures(incompatible: .revoke))
    for block in 0..<UInt64(300) { try disk.cache.replace(100 + block, with: disk.block(1)) }
    try disk.commit()
    disk.cache.forget(BlockNumber(100), count: 300)
    try disk.cache.replace(7, with: disk.block(2))
    try disk.commit(freeing: [(BlockNumber(100), 300)])
    // Data, which does not go through the log.
    for block in 0..<UInt64(300) { try disk.device.write(disk.block(9), at: (100 + block) * 1024) }
    #expect(disk.log.counts.revoked == 300)

    let copy = try disk.copy()
    let outcome = try copy.recover()
    #expect(outcome.revokes == 300)
    for block in 0..<UInt64(300) { #expect(try copy.atHome(100 + block) == disk.block(9)) }
    // A checkpoint leaves them alone as well.
    try disk.log.checkpoint()
    for block in 0..<UInt64(300) { #expect(try disk.atHome(100 + block) == disk.block(9)) }
  }

  @Test func aRevokedBlockThatIsChangedLaterGoesHome() throws {
    let disk = try LogFixture(JournalFeatures(incompatible: .revoke))
    try disk.cache.replace(100, with: disk.block(1))
    try disk.commit()
    disk.cache.forget(BlockNumber(100), count: 1)
    try disk.cache.replace(7, with: disk.block(2))
    try disk.commit(freeing: [(BlockNumber(100), 1)])
    try disk.cache.replace(100, with: disk.block(3))
    try disk.commit()
    _ = try disk.recover()
    #expect(try disk.atHome(100) == disk.block(3))
  }

  @Test func whatWasNeverLoggedNeedsNoRevoke() throws {
    let disk = try LogFixture(JournalFeatures(incompatible: .revoke))
    try disk.cache.replace(7, with: disk.block(1))
    try disk.commit(freeing: [(BlockNumber(100), 1 << 40)])
    #expect(disk.log.counts.revoked == 0)
    // A run as long as that is not walked through.
    try disk.cache.replace(8, with: disk.block(1))
    try disk.commit(freeing: [(BlockNumber(7), 1 << 40)])
    #expect(disk.log.counts.revoked == 1)
  }

  @Test func aCleanEndLeavesAnEmptyJournal() throws {
    let disk = try LogFixture()
    try disk.cache.replace(7, with: disk.block(1))
    try disk.commit()
    try disk.log.stop()
    #expect(try disk.superblock.start == 0)
    #expect(try disk.superblock.sequence == 2)
    #expect(try disk.atHome(7) == disk.block(1))
  }

  @Test func afterAnErrorNothingIsWrittenAndTheJournalSaysWhy() throws {
    let disk = try LogFixture()
    try disk.cache.replace(7, with: disk.block(1))
    try disk.commit()
    disk.log.abort(.ioError)
    try disk.cache.replace(7, with: disk.block(2))
    #expect(throws: Errno.ioError) { try disk.commit() }
    #expect(throws: Errno.ioError) { try disk.log.checkpoint() }
    #expect(try disk.superblock.errorCode == -EIO)
    #expect(try disk.atHome(7) == disk.block(0))
    _ = try disk.recover()
    #expect(try disk.atHome(7) == disk.block(1))
  }

  @Test func aFailedWriteEndsTheJournal() throws {
    let disk = try LogFixture()
    try disk.cache.replace(7, with: disk.block(1))
    disk.device.stopWriting()
    #expect(throws: Errno.ioError) { try disk.commit() }
    #expect(disk.log.error == .ioError)
  }

  @Test func sequenceNumbersGoRound() throws {
    let disk = try LogFixture(sequence: .max - 3)
    for round in 1...UInt8(20) {
      for block in 0..<UInt64(200) { try disk.cache.replace(100 + block, with: disk.block(round)) }
      try disk.commit()
    }
    _ = try disk.recover()
    for block in 0..<UInt64(200) { #expect(try disk.atHome(100 + block) == disk.block(20)) }
  }

  /// The file system was used without its journal, whose log is damaged: what stands behind the damage must not follow a new transaction.
  @Test func whatIsGivenUpNeverComesBack() throws {
    let disk = try LogFixture(JournalFeatures(incompatible: [.revoke, .checksumV3]))
    for block in UInt64(7)...9 {
      try disk.cache.replace(block, with: disk.block(1))
      try disk.commit()
    }
    // In the first commit record; each transaction takes three blocks.
    try disk.device.write(
      [UInt8](repeating: 0xFF, count: 1000), at: (LogFixture.journalStart + 3) * 1024 + 16)
    var journal = try CrashedLog(disk.file).journal
    try JournalRecovery.discard(&journal)
    #expect(journal.superblock.sequence > 3, "the number of what is left in the log")

    let log = JournalLog(journal, home: disk.device, usesBarriers: true)
    try log.start()
    // Six blocks: it ends where the third transaction begins.
    for block in UInt64(20)..<24 { try disk.cache.replace(block, with: disk.block(2)) }
    try log.commit(log.makeTransaction(from: disk.cache, freeing: []), flushesData: false)
    #expect(try disk.recover().transactions == 1)
    #expect(try disk.atHome(9) == disk.block(0))
  }
}
