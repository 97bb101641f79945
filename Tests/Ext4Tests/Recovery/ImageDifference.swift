import Foundation
import TestSupport

import struct SystemPackage.FilePath

/// What is different in two copies of a file system whose journals were replayed, but for what may be: the journal itself, and in
/// the superblock times, counts and what says how often it was mounted.
enum ImageDifference {
  static func blocks(
    _ ours: Image, _ theirs: Image, blockSize: Int, hasInternalJournal: Bool
  ) throws -> [String] {
    let journal = hasInternalJournal ? try journalBlocks(of: ours) : []
    var a = try contents(ours.path)
    var b = try contents(theirs.path)
    for mask in superblockMask {
      for index in mask { (a[1024 + index], b[1024 + index]) = (0, 0) }
    }
    guard a.count == b.count else { return ["sizes"] }
    return stride(from: 0, to: a.count, by: blockSize).compactMap { start in
      let block = start / blockSize
      guard a[start..<start + blockSize] != b[start..<start + blockSize],
        !journal.contains(block)
      else { return nil }
      let first = (start..<start + blockSize).first { a[$0] != b[$0] } ?? start
      return "block \(block) from byte \(first - start) on"
    }
  }

  /// Fields of the superblock that each sets in its own way.
  private static let superblockMask: [Range<Int>] = [
    0x0C..<0x14,  // free blocks and inodes: e2fsck -E journal_only does not count them
    0x2C..<0x36,  // times of mounting and writing, number of mounts
    0xE4..<0xE8,  // the number of the journal's device
    0x158..<0x15C,  // free blocks, upper half
    0x178..<0x180,  // kilobytes written
    0x274..<0x276,  // upper bits of the times
    0x3FC..<0x400,  // checksum
  ]

  static func contents(_ path: FilePath) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path.string)))
  }

  /// All blocks of the journal's inode, with those that say where they are.
  static func journalBlocks(of image: Image) throws -> Set<Int> {
    let list = try image.debugfs("blocks <8>")
    return Set(list.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Int($0) })
  }
}
