import Glibc
import SystemPackage
import TestSupport

@testable import Journal

/// A device of 4096 blocks of 1 KiB, all zeros, of which the second half is a journal, with a cache and a log.
final class LogFixture {
  static let journalStart: UInt64 = 2048

  let file: MemoryFile
  let device: BlockDevice
  let cache: BlockCache
  let log: JournalLog

  /// An empty log, begun.
  init(
    _ features: JournalFeatures = JournalFeatures(), sequence: UInt32 = 1,
    observer: (any BlockDeviceObserver)? = nil, lockObserver: (any LockObserver)? = nil
  ) throws {
    file = try MemoryFile([UInt8](repeating: 0, count: 4096 * 1024))
    device = file.device(
      count: 4096 * 1024, observer: observer, lockObserver: lockObserver)
    try device.write(Self.newSuperblock, at: Self.journalStart * 1024)
    var journal = try OpenJournal(area: Self.area(device))
    journal.superblock.features = features
    journal.superblock.sequence = sequence
    log = JournalLog(journal, home: device, usesBarriers: true)
    cache = BlockCache(device: device)
    cache.log = log
    try log.start()
  }

  /// What a crash leaves, on another disk.
  func copy() throws -> CrashedLog { CrashedLog(try MemoryFile(try file.contents)) }

  fileprivate static func area(_ device: BlockDevice) -> JournalArea {
    JournalArea(
      device: device, blockSize: 1024, runs: [.init(first: BlockNumber(journalStart), count: 1024)])
  }

  /// 1024 blocks of 1 KiB, the first of which is the superblock, and one user.
  private static var newSuperblock: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.withUnsafeMutableBytes { bytes in
      JournalBlockHeader(.superblockV2, sequence: 0).encode(into: bytes)
      for (offset, value) in [(12, 1024), (16, 1024), (20, 1), (24, 1), (64, 1)] {
        bytes.setBigEndian32(UInt32(value), at: offset)
      }
    }
    return bytes
  }

  func block(_ value: UInt8) -> [UInt8] { [UInt8](repeating: value, count: 1024) }

  var magicBlock: [UInt8] { [0xC0, 0x3B, 0x39, 0x98] + [UInt8](repeating: 5, count: 1020) }

  func commit(freeing runs: [(first: BlockNumber, count: UInt64)] = []) throws(Errno) {
    let transaction = log.makeTransaction(from: cache, freeing: runs)
    try log.commit(transaction, flushesData: false)
    transaction.release()
  }

  func atHome(_ block: UInt64) throws -> [UInt8] { try device.read(1024, at: block * 1024) }

  var superblock: JournalSuperblock { get throws { try CrashedLog(file).journal.superblock } }

  func recover() throws -> JournalRecovery.Outcome { try CrashedLog(file).recover() }
}

/// What a crash leaves.
struct CrashedLog {
  private let device: BlockDevice

  init(_ file: MemoryFile) { device = file.device(count: 4096 * 1024) }

  var journal: OpenJournal { get throws { try OpenJournal(area: LogFixture.area(device)) } }

  func atHome(_ block: UInt64) throws -> [UInt8] { try device.read(1024, at: block * 1024) }

  func recover() throws -> JournalRecovery.Outcome {
    var journal = try journal
    return try JournalRecovery(
      fileSystem: device, firstBlock: 1, blockCount: LogFixture.journalStart
    ).run(&journal)
  }
}
