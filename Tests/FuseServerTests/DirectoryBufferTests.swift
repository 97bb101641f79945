import CFuse3
import CLinux
import Glibc
import TestSupport
import Testing

@testable import FuseServer

@Suite struct DirectoryBufferTests {
  /// libfuse asks for a request with each entry, and does not look at it.
  private let request = fuse_req_t(bitPattern: 16)!

  /// FUSE_DIRENT_SIZE, FUSE_DIRENTPLUS_SIZE.
  private func size(ofNameOf length: Int, plus: Bool) -> Int {
    let head =
      (plus ? MemoryLayout<fuse_entry_out>.size : 0) + MemoryLayout<fuse_dirent>.size
    return (head + length + 7) / 8 * 8
  }

  /// Runs `body` on a buffer of `count` bytes, and returns them all and how many were used.
  private func fill(
    _ count: Int, plus: Bool, _ body: (inout DirectoryBuffer) -> Void
  ) -> (bytes: [UInt8], used: Int) {
    // What follows the buffer shows whether it was overrun.
    var bytes = [UInt8](repeating: 0xEE, count: count + 512)
    let used = bytes.withUnsafeMutableBytes { memory in
      var buffer = DirectoryBuffer(
        memory: UnsafeMutableRawBufferPointer(rebasing: memory[..<count]), isPlus: plus,
        givesAttributes: plus)
      body(&buffer)
      return buffer.count
    }
    return (bytes, used)
  }

  @Test(arguments: [false, true])
  func roomIsWhatTheLibraryUses(plus: Bool) {
    for length in 1...255 {
      let name = [UInt8](repeating: 0x61, count: length)
      let needed = size(ofNameOf: length, plus: plus)
      var status = stat()
      var entry = fuse_entry_param()
      let asked = (name + [0]).map { CChar($0) }.withUnsafeBufferPointer { name in
        plus
          ? fuse_add_direntry_plus(request, nil, 0, name.baseAddress, &entry, 0)
          : fuse_add_direntry(request, nil, 0, name.baseAddress, &status, 0)
      }
      #expect(asked == needed)
      var hadRoom = false
      let (bytes, used) = fill(needed, plus: plus) { buffer in
        hadRoom = buffer.hasRoom(forNameOf: length)
        name.withUnsafeBytes { buffer.add($0, inode: 1, mode: S_IFREG, next: 1) }
      }
      #expect(hadRoom && used == needed, "a name of \(length) bytes")
      #expect(bytes[needed...].allSatisfy { $0 == 0xEE }, "a name of \(length) bytes")
      _ = fill(needed - 1, plus: plus) { buffer in
        hadRoom = buffer.hasRoom(forNameOf: length)
      }
      #expect(!hadRoom, "a name of \(length) bytes")
    }
  }

  private struct Record: Equatable {
    var name: [UInt8]
    var inode: UInt64
    var mode: UInt32
    var next: UInt64
    /// With attributes only; 0 for none.
    var node: UInt64 = 0
  }

  /// The records of a reply as the kernel finds them.
  private func records(_ bytes: [UInt8], plus: Bool) throws -> [Record] {
    var records: [Record] = []
    var position = 0
    while position < bytes.count {
      let entry = plus ? load(fuse_entry_out.self, bytes, at: position) : fuse_entry_out()
      let start = position + (plus ? MemoryLayout<fuse_entry_out>.size : 0)
      guard start + 24 <= bytes.count else { throw Failure("a record is cut off") }
      let length = Int(load(UInt32.self, bytes, at: start + 16))
      guard start + 24 + length <= bytes.count else { throw Failure("a name is cut off") }
      records.append(
        Record(
          name: Array(bytes[start + 24..<start + 24 + length]),
          inode: load(UInt64.self, bytes, at: start),
          mode: load(UInt32.self, bytes, at: start + 20) << 12,
          next: load(UInt64.self, bytes, at: start + 8), node: entry.nodeid))
      position += size(ofNameOf: length, plus: plus)
    }
    return records
  }

  @Test(arguments: [false, true])
  func randomEntriesAreFoundAgain(plus: Bool) throws {
    for seed: UInt64 in 0..<200 {
      var random = SeededGenerator(seed: seed)
      var expected: [Record] = []
      let (bytes, used) = fill(random.number(0..<8192), plus: plus) { buffer in
        while true {
          let length = random.number(1..<256)
          guard buffer.hasRoom(forNameOf: length) else { break }
          var record = Record(
            name: (0..<length).map { _ in UInt8(random.number(1..<256)) }, inode: random.next(),
            mode: random.pick([0o100_000, 0o040_000, 0o120_000, 0o020_000, 0o140_000]),
            next: random.next())
          record.name.withUnsafeBytes { name in
            if plus, random.oneIn(2) {
              record.node = random.next()
              let entry = Entry(
                node: NodeID(record.node), generation: 7,
                attributes: .sample(inode: record.inode, mode: record.mode | 0o644))
              buffer.add(name, entry, next: record.next)
            } else {
              buffer.add(name, inode: record.inode, mode: record.mode | 0o4755, next: record.next)
            }
          }
          expected.append(record)
        }
      }
      #expect(try records(Array(bytes[..<used]), plus: plus) == expected, "seed \(seed)")
    }
  }
}
