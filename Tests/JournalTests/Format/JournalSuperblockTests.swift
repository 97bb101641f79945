import Foundation
import Journal
import TestSupport
import Testing

@Suite struct JournalSuperblockTests {
  private func decode(_ bytes: [UInt8]) -> JournalSuperblock? {
    bytes.withUnsafeBytes { JournalSuperblock($0) }
  }

  /// A superblock with a different value in each field.
  private func superblock(type: UInt8) -> [UInt8] {
    [
      0xC0, 0x3B, 0x39, 0x98,  // h_magic
      0, 0, 0, type,  // h_blocktype
      0, 0, 0, 0,  // h_sequence
      0, 0, 0x10, 0,  // s_blocksize
      0, 1, 0x02, 0x03,  // s_maxlen
      0, 0, 0, 1,  // s_first
      0xF1, 0xF2, 0xF3, 0xF4,  // s_sequence
      0, 0, 0x21, 0x22,  // s_start
      0xFF, 0xFF, 0xFF, 0xFB,  // s_errno
    ]
  }

  /// The journal of an image, as debugfs reads it.
  private func journal(of image: Image, in scratch: Scratch) throws -> [UInt8] {
    let copy = scratch.appending("journal")
    try image.debugfs("dump <8> \(copy)")
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: copy.string)))
  }

  @Test(arguments: [1024, 4096])
  func readsWhatMke2fsWrites(blockSize: Int) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "32M", blockSize: blockSize,
        options: ["-J", "size=4"])
      let bytes = try journal(of: image, in: scratch)
      let decoded = try #require(decode(bytes))
      #expect(decoded.version == .v2)
      #expect(decoded.blockSize == blockSize)
      #expect(Int(decoded.blockCount) == bytes.count / blockSize)
      #expect(String(decoded.blockCount) == (try image.superblock("Total journal blocks")))
      #expect(
        "0x" + String(decoded.sequence, radix: 16)
          == (try image.superblock("Journal sequence")).replacing(/0x0+/, with: "0x"))
      #expect(decoded.start == 0)
      #expect(decoded.errorCode == 0)
      #expect(!decoded.needsRecovery)
    }
  }

  @Test func seesTransactionsThatWaitForReplay() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "32M")
      let block = scratch.appending("block")
      try Data(count: 4096).write(to: URL(fileURLWithPath: block.string))
      let script = scratch.appending("script")
      try "journal_open\njournal_write -b 2000 \(block)\njournal_close\n"
        .write(toFile: script.string, atomically: false, encoding: .utf8)
      try Command(["debugfs", "-w", "-f", script.string, image.path.string]).succeed()
      let decoded = try #require(decode(try journal(of: image, in: scratch)))
      #expect(decoded.needsRecovery)
      #expect(String(decoded.start) == (try image.superblock("Journal start")))
    }
  }

  @Test(arguments: [(3, .v1), (4, .v2)] as [(UInt8, JournalSuperblock.Version)])
  func decodesEachField(type: UInt8, version: JournalSuperblock.Version) throws {
    let decoded = try #require(decode(superblock(type: type)))
    #expect(decoded.version == version)
    #expect(decoded.blockSize == 4096)
    #expect(decoded.blockCount == 0x1_0203)
    #expect(decoded.sequence == 0xF1F2_F3F4)
    #expect(decoded.start == 0x2122)
    #expect(decoded.errorCode == -5)
    #expect(decoded.needsRecovery)
  }

  @Test func needsNoAlignment() throws {
    let bytes = [0xFF] + superblock(type: 4)
    let decoded = bytes.withUnsafeBytes {
      JournalSuperblock(UnsafeRawBufferPointer(rebasing: $0[1...]))
    }
    #expect(decoded?.blockCount == 0x1_0203)
  }

  @Test(arguments: 0..<36)
  func refusesShortBytes(count: Int) {
    #expect(decode(Array(superblock(type: 4).prefix(count))) == nil)
  }

  /// Descriptor, commit and revoke blocks have the magic number, too.
  @Test(arguments: [0, 1, 2, 5, 255] as [UInt8])
  func refusesOtherBlocks(type: UInt8) {
    #expect(decode(superblock(type: type)) == nil)
  }

  @Test(arguments: 0..<64)
  func refusesAnyOtherBitInTheMagicNumberAndType(bit: Int) {
    // One bit turns v2 (4) into another type, but none into v1 (3).
    var bytes = superblock(type: 4)
    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    #expect(decode(bytes) == nil)
  }

  @Test func refusesGarbage() {
    for seed: UInt64 in 0..<2000 {
      let found = decode(SeededGenerator.bytes(1024, seed: seed))
      #expect(found == nil, "seed \(seed)")
    }
  }
}
