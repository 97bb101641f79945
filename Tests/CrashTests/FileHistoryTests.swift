import TestSupport
import Testing

@testable import CrashExploration

/// What a file may hold after a power cut.
@Suite struct FileHistoryTests {
  private static let blockSize = 16

  private static func letters(_ letter: Character, _ count: Int) -> [UInt8] {
    [UInt8](repeating: letter.asciiValue ?? 0, count: count)
  }

  private static func flaw(
    _ file: FileHistory, _ found: String, at operation: Int, synchronized: Int = 0, begun: Int = 9
  ) -> String? {
    file.flaw(
      in: found.utf8.map { $0 == UInt8(ascii: "0") ? 0 : $0 }, at: operation,
      CrashExploration.Expectation(synchronized: synchronized, begun: begun))
  }

  /// 32 bytes of "a" by operation 1, then 4 of "b" in their middle by operation 2.
  private static var overwritten: FileHistory {
    var file = FileHistory(id: 7, operation: 0, blockSize: blockSize)
    file.write(letters("a", 32), at: 0, operation: 1)
    file.write(letters("b", 4), at: 4, operation: 2)
    return file
  }

  private static let a32 = String(repeating: "a", count: 32)

  @Test func anOverwriteMayBeEarlyLateOrInPart() {
    let early = "aaaabbbb" + Self.a32.dropFirst(8)
    for operation in 1...2 {
      #expect(Self.flaw(Self.overwritten, Self.a32, at: operation) == nil)
      #expect(Self.flaw(Self.overwritten, early, at: operation) == nil)
      #expect(Self.flaw(Self.overwritten, "aaaabbaa" + Self.a32.dropFirst(8), at: operation) == nil)
    }
    #expect(Self.flaw(Self.overwritten, early, at: 1, begun: 1) != nil, "it had not begun")
    #expect(Self.flaw(Self.overwritten, Self.a32, at: 2, synchronized: 2) != nil, "it was durable")
    #expect(Self.flaw(Self.overwritten, "aaaac" + Self.a32.dropFirst(5), at: 2) != nil)
  }

  @Test func newBlocksHoldWhatWasWrittenWhenTheyAreSeen() {
    var file = FileHistory(id: 7, operation: 0, blockSize: Self.blockSize)
    file.write(Self.letters("a", 16), at: 0, operation: 1)
    file.write(Self.letters("b", 16), at: 16, operation: 2)
    let a16 = String(repeating: "a", count: 16)
    #expect(Self.flaw(file, a16 + String(repeating: "b", count: 16), at: 2) == nil)
    #expect(Self.flaw(file, a16 + String(repeating: "0", count: 16), at: 2) != nil)
    #expect(Self.flaw(file, a16, at: 2) != nil, "it is too short")
    #expect(Self.flaw(file, a16, at: 1) == nil)
  }

  @Test func whatATruncationFreesDoesNotShowWhatIsWrittenLater() {
    var file = FileHistory(id: 7, operation: 0, blockSize: Self.blockSize)
    file.write(Self.letters("a", 32), at: 0, operation: 1)
    file.truncate(to: 8, operation: 2)
    file.write(Self.letters("b", 32), at: 0, operation: 3)
    // The first block stays where it is: there the zeros and the new bytes may come early.
    let tail = String(repeating: "a", count: 16)
    #expect(Self.flaw(file, "aaaaaaaa00000000" + tail, at: 1) == nil)
    #expect(Self.flaw(file, "bbbbbbbbbbbbbbbb" + tail, at: 1) == nil)
    #expect(Self.flaw(file, Self.a32.dropLast(4) + "bbbb", at: 1) != nil)
    #expect(Self.flaw(file, Self.a32.dropLast(4) + "0000", at: 1) != nil)
  }

  @Test func whatGrowsOverATruncationIsZeros() {
    var file = FileHistory(id: 7, operation: 0, blockSize: Self.blockSize)
    file.write(Self.letters("a", 16), at: 0, operation: 1)
    file.truncate(to: 8, operation: 2)
    file.truncate(to: 16, operation: 3)
    #expect(Self.flaw(file, "aaaaaaaa00000000", at: 3) == nil)
    #expect(Self.flaw(file, "aaaaaaaaaaaaaaaa", at: 3) != nil)
  }

  @Test func holesAreZeros() {
    var file = FileHistory(id: 7, operation: 0, blockSize: Self.blockSize)
    file.write(Self.letters("a", 48), at: 0, operation: 1)
    file.zero(8..<40, growing: false, operation: 2)
    let zeros = String(repeating: "0", count: 32)
    #expect(Self.flaw(file, "aaaaaaaa" + zeros + "aaaaaaaa", at: 2) == nil)
    #expect(
      Self.flaw(file, "aaaaaaaa" + zeros.dropLast(24) + "a" + zeros.dropLast(9) + "aaaaaaaa", at: 2)
        != nil)
    // Before, the edges may be zeros already, and what is freed not.
    let a16 = String(repeating: "a", count: 16)
    #expect(Self.flaw(file, "aaaaaaaa00000000" + a16 + a16, at: 1) == nil)
    #expect(Self.flaw(file, a16 + zeros.dropLast(16) + a16, at: 1) != nil)
  }

  @Test func whatIsZeroedInStepsMayBeZerosBefore() {
    var file = FileHistory(id: 7, operation: 0, blockSize: Self.blockSize)
    file.write(Self.letters("a", 48), at: 0, operation: 1)
    file.zero(8..<40, growing: true, operation: 2, inSteps: true)
    let a16 = String(repeating: "a", count: 16)
    let zeros = String(repeating: "0", count: 16)
    #expect(Self.flaw(file, a16 + zeros + a16, at: 1) == nil)
    #expect(Self.flaw(file, "aaaa0000aaaaaaaa" + a16 + a16, at: 1) != nil)
    #expect(Self.flaw(file, a16 + a16 + "0000000000000000", at: 1) != nil)
  }
}
