import IomapCache
import Testing

/// How many mappings are pushed at a time.
@Suite struct PublishedMappingsTests {
  @Test func everyQuestionGetsTwiceAsManyAsTheOneBefore() {
    var ledger = PublishedMappings()
    let windows = (0..<8).map { ledger.question(at: FileOffset(UInt64($0) << 20)) }
    #expect(windows == [64, 128, 256, 512, 1024, 2048, 2048, 2048])
  }

  @Test func countsWhatTheKernelMayHold() {
    var ledger = PublishedMappings()
    ledger.note(3, to: FileOffset(12_288), whole: true)
    #expect(ledger.count == 3 && ledger.isWhole)
    ledger.noteChange()
    #expect(ledger.count == 3 && !ledger.isWhole)
    ledger.note(3, to: FileOffset(12_288), whole: true)
    #expect(ledger.count == 3 && ledger.isWhole)
    ledger.note(2, to: FileOffset(8192), whole: false)
    #expect(ledger.count == 5 && ledger.isWhole)
    _ = ledger.question(at: FileOffset(0))
    #expect(!ledger.isWhole)
    ledger.reset()
    #expect(ledger.count == 0 && !ledger.isWhole && ledger.unaskedWindow == 64)
  }

  @Test func aFileThatIsTooLargeIsReadAheadOnlyInOrder() {
    var ledger = PublishedMappings()
    ledger.noteOverflow()
    #expect(ledger.unaskedWindow == 1)
    #expect(ledger.question(at: FileOffset(1 << 30)) == 1)
    ledger.note(1, to: FileOffset(2 << 30), whole: false)
    #expect(ledger.question(at: FileOffset(2 << 30)) == 64)
    ledger.note(64, to: FileOffset(3 << 30), whole: false)
    #expect(ledger.question(at: FileOffset(3 << 30)) == 128)
    #expect(ledger.question(at: FileOffset(0)) == 1)
  }
}
