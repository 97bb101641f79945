import FuseProtocol
import Testing

@Suite struct InitFlagsTests {
  @Test func wordsAndMinors() {
    let history = InitFlags.history
    // Bit 31 is reserved; 43 has two meanings.
    #expect(history.map(\.flag.rawValue) == (0..<43).filter { $0 != 31 }.map { 1 << UInt64($0) })
    #expect(Set(history.map(\.name)).count == history.count)
    #expect(history.map(\.since) == history.map(\.since).sorted())
    #expect(history.last?.since == 43)
  }

  @Test func whatAMinorKnows() {
    #expect(InitFlags.known(in: 5) == [])
    #expect(InitFlags.known(in: 7) == [.asyncRead, .posixLocks])
    #expect(InitFlags.known(in: 33).low == 0x3FFF_FFFF)
    #expect(InitFlags.known(in: 45).rawValue == 0x7FF_7FFF_FFFF)
  }

  @Test func theSecondWordCountsWithTheExtension() {
    #expect(InitFlags(flags: 1, flags2: 0x100) == .asyncRead)
    #expect(
      InitFlags(flags: 1 << 30 | 1, flags2: 0x100) == [.asyncRead, .extended, .allowIDMapping])
    let flags: InitFlags = [.extended, .allowIDMapping]
    #expect(flags.low == 1 << 30 && flags.high == 0x100)
  }

  /// Iomap at minor 99, and pools of buffers for io_uring elsewhere.
  @Test func bit43() {
    let flags = InitFlags(flags: 1 << 30, flags2: 0x800)
    #expect(flags.hasIomap(minor: 99) && !flags.hasIOUringBufferPool(minor: 99))
    for minor: UInt32 in [0, 43, 45, 46, 98, 100] {
      #expect(!flags.hasIomap(minor: minor) && flags.hasIOUringBufferPool(minor: minor))
    }
    let others = InitFlags(rawValue: ~(1 << 43))
    #expect(!others.hasIomap(minor: 99) && !others.hasIOUringBufferPool(minor: 46))
    let withoutExtension = InitFlags(rawValue: 1 << 43)
    #expect(!withoutExtension.hasIomap(minor: 99))
  }

  @Test func sinceWhen() {
    #expect(Opcode.allCases.map(\.since).max() == 99)
    #expect(Opcode.allCases.filter { $0.since == 45 } == [.copyFileRange64])
    #expect(Opcode.lookup.since == 0 && Opcode.statx.since == 39 && Opcode.tmpfile.since == 37)
    #expect(NotificationCode.prune.since == 45 && NotificationCode.resend.since == 40)
  }

  @Test func everyOperationAndNotificationHasItsWord() {
    #expect(Set(Opcode.allCases.map(\.name)).count == Opcode.allCases.count)
    #expect(Set(NotificationCode.allCases.map(\.name)).count == NotificationCode.allCases.count)
  }
}
