import Foundation
import Journal
import TestSupport

/// An image whose journal holds what the kernel has committed, as after a power cut, and the journal's bytes.
struct KernelLog {
  let superblock: JournalSuperblock
  /// Everything in the journal, from its superblock on.
  let bytes: [UInt8]

  var blockSize: Int { Int(superblock.blockSize) }
  var blockCount: Int { bytes.count / blockSize }

  func block(_ number: Int) -> [UInt8] {
    Array(bytes[number * blockSize..<(number + 1) * blockSize])
  }

  /// The log's blocks from its beginning on, as far as they belong to transactions that are complete. `body` gets a block's number
  /// and bytes; what it returns is how many blocks follow that are not the log's own.
  func forEachBlock(
    _ body: (Int, JournalBlockHeader, UnsafeRawBufferPointer) throws -> Int
  ) rethrows {
    var number = Int(superblock.start)
    var sequence = superblock.sequence
    let log = superblock.logBlocks
    for _ in 0..<blockCount {
      let skipped = try block(number).withUnsafeBytes { bytes throws -> Int? in
        guard let header = JournalBlockHeader(bytes), header.sequence == sequence else {
          return nil
        }
        if header.type == .commit { sequence &+= 1 }
        return try body(number, header, bytes)
      }
      guard let skipped else { return }
      number += 1 + skipped
      if number >= log.upperBound { number -= log.count }
    }
  }

  /// What debugfs reads from an image that is not mounted any more.
  init(of image: Image, in scratch: Scratch) throws {
    let copy = scratch.appending("journal")
    try image.debugfs("dump <8> \(copy)")
    bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: copy.string)))
    guard let superblock = bytes.withUnsafeBytes({ JournalSuperblock($0) }) else {
      throw Failure("\(image.path) has no journal")
    }
    self.superblock = superblock
  }
}
