import Testing

@testable import Ext4

@Suite("Which blocks of the inode table are read together")
struct InodeReadAheadTests {
  @Test("Aligned blocks around the one wanted, within the table")
  func aligned() {
    var readAhead = InodeReadAhead(blockCount: 32)
    #expect(readAhead.range(around: 100, in: 0..<1000) == 96..<128)
    #expect(readAhead.range(around: 40, in: 40..<1000) == 40..<64)
    #expect(readAhead.range(around: 999, in: 40..<1000) == 992..<1000)
    #expect(readAhead.range(around: 5, in: 40..<1000) == nil)
    #expect(readAhead.range(around: 1000, in: 40..<1000) == nil)
  }

  @Test("Each range once, until another one was wanted")
  func once() {
    var readAhead = InodeReadAhead(blockCount: 8)
    #expect(readAhead.range(around: 17, in: 0..<100) == 16..<24)
    for block in UInt64(16)..<24 { #expect(readAhead.range(around: block, in: 0..<100) == nil) }
    #expect(readAhead.range(around: 24, in: 0..<100) == 24..<32)
    #expect(readAhead.range(around: 16, in: 0..<100) == 16..<24)
  }

  @Test("None, where the option says so", arguments: [0, 1] as [UInt32])
  func off(blockCount: UInt32) {
    var readAhead = InodeReadAhead(blockCount: blockCount)
    #expect(readAhead.range(around: 17, in: 0..<100) == nil)
  }
}
