import Testing

@testable import Ext4

@Suite("Which written data is sent to the disk at once")
struct WriteBehindTests {
  private static let mebibyte: UInt64 = 1 << 20
  private static let kibibyte: UInt64 = 1 << 10

  @Test("A large piece is, wherever it is")
  func largePieces() {
    let behind = WriteBehind()
    for address: UInt64 in [0, 4096, 10 * Self.mebibyte + 4096] {
      #expect(behind.note(1 << 20, at: address) == address..<address + Self.mebibyte)
    }
  }

  @Test("Small pieces are once the next window begins, if there were enough of them")
  func gathered() {
    let behind = WriteBehind()
    for piece in 0..<UInt64(32) {
      let range = behind.note(32 << 10, at: 5 * Self.mebibyte + piece * 32 * Self.kibibyte)
      #expect(range == nil)
    }
    #expect(behind.note(32 << 10, at: 6 * Self.mebibyte) == 5 * Self.mebibyte..<6 * Self.mebibyte)
    // One piece of 32 KiB is not enough.
    #expect(behind.note(32 << 10, at: 7 * Self.mebibyte) == nil)
  }

  @Test("What is written over and over stays one window")
  func repeated() {
    let behind = WriteBehind()
    for _ in 0..<10_000 { #expect(behind.note(4096, at: 3 * Self.mebibyte) == nil) }
    #expect(behind.note(4096, at: 0) == 3 * Self.mebibyte..<4 * Self.mebibyte)
  }

  @Test("Blocks here and there are left for later")
  func scattered() {
    let behind = WriteBehind()
    for step in 0..<UInt64(1000) {
      #expect(behind.note(4096, at: step * 7919 % 1000 * 2 * Self.mebibyte) == nil)
    }
  }
}
