import Glibc
import Journal
import SystemPackage
import TestSupport
import Testing

@Suite struct BlockDeviceTests {
  @Test func aWindowBeginsAtItsOffset() throws {
    let bytes = SeededGenerator.bytes(10_000, seed: 1)
    let device = try MemoryFile(bytes).device(offset: 1234, count: 5000)
    #expect(try device.read(100, at: 0) == Array(bytes[1234..<1334]))
    #expect(try device.read(1, at: 4999) == [bytes[6233]])
    #expect(try device.read(5000, at: 0) == Array(bytes[1234..<6234]))
  }

  @Test func writesLandInTheWindowAndNowhereElse() throws {
    var bytes = SeededGenerator.bytes(10_000, seed: 2)
    let file = try MemoryFile(bytes)
    let device = file.device(offset: 1234, count: 5000)
    try device.write([1, 2, 3], at: 0)
    try device.write([4, 5, 6], at: 4997)
    try device.writeZeros(10, at: 100)
    bytes.replaceSubrange(1234..<1237, with: [1, 2, 3])
    bytes.replaceSubrange(6231..<6234, with: [4, 5, 6])
    bytes.replaceSubrange(1334..<1344, with: [UInt8](repeating: 0, count: 10))
    #expect(try file.contents == bytes)
  }

  @Test(
    arguments: [
      (5000, 1), (4999, 2), (0, 5001), (5001, 0), (1 << 63, 1), (.max, 1), (.max - 3, 4), (.max, 0),
    ] as [(UInt64, Int)])
  func whatReachesBeyondTheEndIsRefused(offset: UInt64, count: Int) throws {
    let bytes = SeededGenerator.bytes(10_000, seed: 3)
    let file = try MemoryFile(bytes)
    let device = file.device(offset: 1234, count: 5000)
    #expect(throws: Errno.ioError) { try device.read(count, at: offset) }
    #expect(throws: Errno.ioError) {
      try device.write([UInt8](repeating: 7, count: count), at: offset)
    }
    #expect(try file.contents == bytes)
  }

  @Test func nothingMayBeMovedAtTheVeryEnd() throws {
    let device = try MemoryFile([1, 2, 3]).device(count: 3)
    #expect(try device.read(0, at: 3) == [])
    try device.write([], at: 3)
  }

  @Test func zerosBeyondTheEndAreRefused() throws {
    let device = try MemoryFile([UInt8](repeating: 9, count: 100)).device(count: 100)
    #expect(throws: Errno.ioError) { try device.writeZeros(1, at: 100) }
    #expect(throws: Errno.ioError) { try device.writeZeros(.max, at: 50) }
    #expect(throws: Errno.ioError) { try device.writeZeros(1, at: .max) }
    #expect(try device.read(100, at: 0) == [UInt8](repeating: 9, count: 100))
  }

  @Test func aFileShorterThanItsFileSystemReadsAsZeros() throws {
    let bytes = SeededGenerator.bytes(5000, seed: 4)
    let file = try MemoryFile(bytes)
    let device = file.device(offset: 1000, count: 1 << 40)
    #expect(
      try device.read(8000, at: 3000) == bytes[4000...] + [UInt8](repeating: 0, count: 7000))
    #expect(try device.read(64, at: 1 << 39) == [UInt8](repeating: 0, count: 64))
    try device.write([42], at: 9000)
    #expect(try device.read(2, at: 8999) == [0, 42])
    #expect(try file.contents.count == 10_001)
  }

  @Test func zerosOfMoreThanOneChunk() throws {
    let count = (5 << 20) / 2 + 17
    let file = try MemoryFile([UInt8](repeating: 0xFF, count: count + 20))
    try file.device(count: Int64(count) + 20).writeZeros(UInt64(count), at: 10)
    let contents = try file.contents
    #expect(contents.prefix(10).allSatisfy { $0 == 0xFF })
    #expect(contents.suffix(10).allSatisfy { $0 == 0xFF })
    #expect(contents.dropFirst(10).dropLast(10).allSatisfy { $0 == 0 })
    #expect(contents.count == count + 20)
  }

  @Test func aReadOnlyDeviceRefusesToWrite() throws {
    let file = try MemoryFile([1, 2, 3, 4])
    let device = file.device(count: 4, isWritable: false)
    #expect(throws: Errno.readOnlyFileSystem) { try device.write([9], at: 0) }
    #expect(throws: Errno.readOnlyFileSystem) { try device.writeZeros(2, at: 0) }
    #expect(try device.read(4, at: 0) == [1, 2, 3, 4])
    #expect(try file.contents == [1, 2, 3, 4])
  }

  @Test func errorsOfTheDeviceAreReported() throws {
    try withOpen("/dev/full", .readWrite) { descriptor in
      let full = BlockDevice(
        fileDescriptor: descriptor, byteOffset: 0, byteCount: 1 << 20, isWritable: true)
      #expect(throws: Errno.noSpace) { try full.write([1], at: 0) }
      #expect(throws: Errno.noSpace) { try full.writeZeros(4096, at: 0) }
      // Not a thing that can be synchronized.
      #expect(throws: Errno.invalidArgument) { try full.synchronize() }
    }
    let file = try MemoryFile([1, 2, 3, 4])
    try withOpen(file.path, .readOnly) { readOnly in
      let device = BlockDevice(
        fileDescriptor: readOnly, byteOffset: 0, byteCount: 4, isWritable: true)
      #expect(throws: Errno.badFileDescriptor) { try device.write([9], at: 0) }
    }
    try withOpen(file.path, .writeOnly) { writeOnly in
      let device = BlockDevice(
        fileDescriptor: writeOnly, byteOffset: 0, byteCount: 4, isWritable: true)
      #expect(throws: Errno.badFileDescriptor) { try device.read(1, at: 0) }
    }
    #expect(try file.contents == [1, 2, 3, 4])
  }

  @Test func aReadOnlyDeviceHasNothingToSynchronize() throws {
    try withOpen("/dev/full", .readOnly) { descriptor in
      try BlockDevice(
        fileDescriptor: descriptor, byteOffset: 0, byteCount: 4, isWritable: false
      ).synchronize()
    }
  }
}
