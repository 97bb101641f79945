import TestSupport
import Testing

@testable import CrashExploration

/// Which disks a power cut may leave.
@Suite struct CrashStatesTests {
  private static let sectors = 16

  /// What is in the sectors of each of the disks, a letter for each; a dot where nothing was written.
  private static func disks(
    _ events: [WriteLog.Event], randomPerEpoch: Int = 0
  ) -> [String: [CrashExploration.Expectation]] {
    var log = WriteLog()
    log.events = events
    let image = [UInt8](repeating: UInt8(ascii: "."), count: sectors * 512)
      .withUnsafeBytes { DiskImage($0) }
    let states = CrashStates(image, log, seed: 1, limit: 1000, randomPerEpoch: randomPerEpoch)
    var found: [String: [CrashExploration.Expectation]] = [:]
    for state in states.states {
      var disk = [UInt8](repeating: 0, count: sectors * 512)
      disk.withUnsafeMutableBytes { states.build(state.cut, in: $0) }
      let letters = (0..<sectors).map { Character(UnicodeScalar(disk[$0 * 512])) }
      let text = String(letters)
      #expect(found[text] == nil, "\(text) is there twice")
      found[text] = state.expectations
    }
    return found
  }

  private static func write(_ letter: Character, at sector: Int, count: Int = 1) -> WriteLog.Event {
    .write(
      offset: sector * 512, bytes: [UInt8](repeating: letter.asciiValue ?? 0, count: count * 512))
  }

  private static func flushed(before event: Int, _ area: Range<Int> = 0..<sectors) -> WriteLog.Event
  {
    .flushed(before: event, area: area.lowerBound * 512..<area.upperBound * 512)
  }

  @Test func everySubsetOfTwoWrites() {
    let disks = Self.disks([Self.write("a", at: 4), Self.write("b", at: 5)])
    #expect(
      Set(disks.keys) == [
        "................", "....a...........", ".....b..........", "....ab..........",
      ])
  }

  @Test func whatIsFlushedStays() {
    let disks = Self.disks([
      Self.write("a", at: 4), Self.flushed(before: 1), Self.write("b", at: 4),
    ])
    #expect(
      Set(disks.keys) == ["................", "....a...........", "....b..........."])
  }

  /// A write that was issued while the flush was under way is not covered by it.
  @Test func aFlushCoversWhatCameBefore() {
    let disks = Self.disks([
      Self.write("a", at: 4), Self.write("b", at: 5), Self.flushed(before: 1),
      Self.write("c", at: 6),
    ])
    #expect(disks["....a.c........."] != nil)
    #expect(disks[".....bc........."] == nil)
  }

  /// Each device has flushes of its own.
  @Test func aFlushCoversItsDevice() {
    let disks = Self.disks([
      Self.write("a", at: 4), Self.write("b", at: 10), Self.flushed(before: 2, 8..<16),
      Self.write("c", at: 11),
    ])
    #expect(disks["..........bc...."] != nil)
    #expect(disks["....a......c...."] == nil)
  }

  @Test func writesAreTornBetweenSectors() {
    let disks = Self.disks([Self.write("a", at: 4, count: 3)])
    #expect(
      Set(disks.keys) == [
        "................", "....a...........", "....aa..........", "......a.........",
        ".....aa.........", "....aaa.........",
      ])
  }

  /// The superblock is written whole or not at all.
  @Test func theSuperblockIsNotTorn() {
    let disks = Self.disks([Self.write("a", at: 2, count: 2), Self.write("b", at: 0, count: 5)])
    #expect(disks.keys.allSatisfy { $0.dropFirst(2).first == $0.dropFirst(3).first })
    #expect(disks["bbbb............"] != nil)
  }

  /// Marks say what must be there, and what may be.
  @Test func marksBecomeExpectations() {
    let disks = Self.disks([
      .mark(.began(operation: 1)), Self.write("a", at: 4), .mark(.finished(operation: 1)),
      Self.flushed(before: 3), .mark(.synchronized(operation: 1)), .mark(.began(operation: 2)),
      Self.write("b", at: 4),
    ])
    #expect(disks["................"] == [CrashExploration.Expectation(synchronized: 0, begun: 0)])
    #expect(
      disks["....a..........."] == [
        CrashExploration.Expectation(synchronized: 0, begun: 1),
        Expectation(synchronized: 1, begun: 1),
      ])
    #expect(disks["....b..........."] == [CrashExploration.Expectation(synchronized: 1, begun: 2)])
  }
}
