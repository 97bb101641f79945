import IomapCache
import Testing

@Suite struct IomapRevisionTests {
  @Test func isDetectedByBitSix() {
    #expect(IomapRevision.detect(configFlags: 0x3F) == .v6)
    #expect(IomapRevision.detect(configFlags: 0x7F) == .v7)
    #expect(IomapRevision.detect(configFlags: 0x40) == .v7)
    #expect(IomapRevision.detect(configFlags: 0) == .v6)
    for bit in 7..<64 {
      #expect(IomapRevision.detect(configFlags: 0x7F | 1 << UInt64(bit)) == nil)
      #expect(IomapRevision.detect(configFlags: 1 << UInt64(bit)) == nil)
    }
  }

  @Test func sizesAndHabits() {
    #expect(IomapRevision.v6.configFlags.rawValue == 0x3F)
    #expect(IomapRevision.v7.configFlags.rawValue == 0x7F)
    #expect(IomapRevision.v6.ioEndRequestSize == 40 && IomapRevision.v7.ioEndRequestSize == 48)
    #expect(IomapRevision.v6.ioEndReplySize == 0 && IomapRevision.v7.ioEndReplySize == 8)
    #expect(IomapRevision.v6.configReplyMaximumSize == 96)
    #expect(IomapRevision.v7.configReplyMaximumSize == 104)
    #expect(!IomapRevision.v6.limitsCache && IomapRevision.v7.limitsCache)
    #expect(!IomapRevision.v6.needsSetNoFS && IomapRevision.v7.needsSetNoFS)
    #expect(!IomapRevision.v6.reportsAppendsAtIOEnd && IomapRevision.v7.reportsAppendsAtIOEnd)
    #expect(!IomapRevision.v6.refusesRetryWithoutCache && IomapRevision.v7.refusesRetryWithoutCache)
  }

  /// By section 3.2, with what comes along and what falls away by 2.6 and I-12.
  @Test(
    arguments: [
      ([], 0, 0),
      ([.exclusive], 0x04, 0),
      ([.exclusive, .iomap], 0x0C, 0x04),
      ([.iomap], 0x0C, 0x04),
      ([.exclusive, .iomap, .atomic], 0x1C, 0x0C),
      ([.exclusive, .atomic], 0x04, 0),
      ([.synchronous], 0x20, 0x10),
      ([.immutable], 0x40, 0x20),
      ([.appendOnly], 0x80, 0x40),
      ([.exclusive, .iomap, .atomic, .synchronous, .immutable, .appendOnly], 0xFC, 0x7C),
    ] as [(InodeAttributeFlags, UInt32, UInt32)])
  func attributeFlags(_ flags: InodeAttributeFlags, v7: UInt32, v6: UInt32) {
    #expect(flags.encoded(for: .v7) == v7)
    #expect(flags.encoded(for: .v6) == v6)
  }

  @Test func attributeFlagsComeBack() {
    for rawValue in UInt8(0)..<64 {
      let flags = InodeAttributeFlags(rawValue: rawValue)
      for revision in IomapRevision.allCases {
        let bits = flags.encoded(for: revision)
        let decoded = InodeAttributeFlags(encoded: bits | 0xFFFF_FF00 | 3, for: revision)
        #expect(decoded.encoded(for: revision) == bits, "bits of others are not looked at")
        #expect(InodeAttributeFlags(encoded: bits, for: revision).encoded(for: revision) == bits)
      }
    }
  }

  @Test func theKernelIgnoresWhatLacksItsCompanion() {
    #expect(InodeAttributeFlags(encoded: 0x08, for: .v7) == [])
    #expect(InodeAttributeFlags(encoded: 0x14, for: .v7) == [.exclusive])
    #expect(InodeAttributeFlags(encoded: 0x04, for: .v6) == [.exclusive, .iomap])
    #expect(InodeAttributeFlags(encoded: 0x08, for: .v6) == [])
    #expect(InodeAttributeFlags(encoded: 0x03, for: .v6) == [])
  }
}
