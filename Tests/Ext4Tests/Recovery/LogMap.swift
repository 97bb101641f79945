import Foundation
import Journal
import TestSupport

import struct SystemPackage.FileDescriptor
import struct SystemPackage.FilePath

/// Which blocks of a journal hold the transactions that wait in it, and where they are in the image.
struct LogMap {
  let superblock: JournalSuperblock
  /// Descriptors, revokes and commit records.
  private(set) var own: [Int] = []
  /// What goes home.
  private(set) var copies: [Int] = []
  /// A block from an earlier round through the log, or from before it.
  private(set) var older: [UInt8] = []
  /// Of each block of the journal, its block in the image.
  private let places: [Int]

  var blockSize: Int { Int(superblock.blockSize) }

  init(of image: Image, in scratch: Scratch) throws {
    let file = scratch.appending("journal-copy")
    try image.debugfs("dump <8> \(file)")
    let bytes = try ImageDifference.contents(file)
    guard let superblock = bytes.withUnsafeBytes({ JournalSuperblock($0) }) else {
      throw Failure("no journal")
    }
    self.superblock = superblock
    let size = Int(superblock.blockSize)
    // With extents the list holds the journal's blocks alone, in order.
    let extents = try image.debugfs("blocks <8>")
    places = extents.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Int($0) }
    guard places.count * size == bytes.count else { throw Failure("the journal is not in extents") }
    older = Array(bytes[(places.count - 2) * size..<(places.count - 1) * size])

    let log = superblock.logBlocks
    var position = Int(superblock.start)
    var sequence = superblock.sequence
    func next(_ count: Int) {
      position += count
      while position >= Int(log.upperBound) { position -= log.count }
    }
    for _ in 0..<places.count {
      let block = Array(bytes[position * size..<(position + 1) * size])
      let count = block.withUnsafeBytes { bytes -> Int? in
        guard let header = JournalBlockHeader(bytes), header.sequence == sequence else {
          return nil
        }
        if header.type == .commit { sequence &+= 1 }
        guard header.type == .descriptor else { return 0 }
        return DescriptorBlock(bytes, format: superblock.format).tagCount
      }
      guard let count else { return }
      own.append(position)
      next(1)
      for _ in 0..<count {
        copies.append(position)
        next(1)
      }
    }
  }

  /// Changes a block of the journal in the image.
  func change(_ block: Int, in image: Image, _ body: (inout ArraySlice<UInt8>) -> Void) throws {
    let file = try FileDescriptor.open(image.path, .readWrite)
    try file.closeAfter {
      let offset = Int64(places[block] * blockSize)
      var bytes = [UInt8](repeating: 0, count: blockSize)
      _ = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: offset, into: $0) }
      var slice = bytes[...]
      body(&slice)
      _ = try Array(slice).withUnsafeBytes {
        try file.writeAll(toAbsoluteOffset: offset, $0)
      }
    }
  }
}
