import Journal
import SystemPackage
import TestSupport
import Testing

@Suite struct JournalAreaTests {
  private let blockSize = 1024

  /// A device of 64 blocks, each filled with its number, and a journal of 12 that lies in three places.
  private func area() throws -> (JournalArea, MemoryFile) {
    let file = try MemoryFile((0..<64).flatMap { [UInt8](repeating: UInt8($0), count: 1024) })
    let runs = [(10, 4), (40, 1), (20, 7)].map {
      JournalArea.Run(first: BlockNumber(UInt64($0.0)), count: UInt32($0.1))
    }
    return (JournalArea(device: file.device(count: 65536), blockSize: blockSize, runs: runs), file)
  }

  private let places: [UInt8] = [10, 11, 12, 13, 40, 20, 21, 22, 23, 24, 25, 26]

  @Test func readsAndWritesAcrossItsRuns() throws {
    for first in 0..<12 {
      for count in 0...(12 - first) {
        let (area, file) = try area()
        #expect(area.blockCount == 12)
        var bytes = [UInt8](repeating: 0, count: count * blockSize)
        try bytes.withUnsafeMutableBytes { try area.read(UInt32(first), into: $0) }
        for index in 0..<count {
          #expect(bytes[index * blockSize] == places[first + index])
          #expect(bytes[(index + 1) * blockSize - 1] == places[first + index])
        }
        bytes = (0..<count).flatMap { [UInt8](repeating: UInt8(100 + $0), count: blockSize) }
        try bytes.withUnsafeBytes { try area.write($0, at: UInt32(first)) }
        let after = try file.contents
        for block in 0..<64 {
          let index = places.firstIndex(of: UInt8(block)).map { $0 - first }
          let expected = index.flatMap { (0..<count).contains($0) ? UInt8(100 + $0) : nil }
          #expect(after[block * blockSize] == expected ?? UInt8(block))
        }
      }
    }
  }

  @Test(arguments: [(12, 1), (11, 2), (0, 13), (UInt32.max, 1)] as [(UInt32, Int)])
  func nothingIsBehindItsEnd(first: UInt32, count: Int) throws {
    let (area, _) = try area()
    var bytes = [UInt8](repeating: 0, count: count * blockSize)
    #expect(throws: Errno.ioError) {
      try bytes.withUnsafeMutableBytes { buffer throws in try area.read(first, into: buffer) }
    }
    #expect(throws: Errno.ioError) {
      try bytes.withUnsafeBytes { buffer throws in try area.write(buffer, at: first) }
    }
  }

  @Test func anEmptyOneHasNoBlocks() throws {
    let file = try MemoryFile([UInt8](repeating: 0, count: 4096))
    let area = JournalArea(device: file.device(count: 4096), blockSize: blockSize, runs: [])
    var bytes = [UInt8](repeating: 0, count: blockSize)
    #expect(throws: Errno.ioError) {
      try bytes.withUnsafeMutableBytes { buffer throws in try area.read(0, into: buffer) }
    }
  }
}
