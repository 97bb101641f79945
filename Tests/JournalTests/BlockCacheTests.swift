import Glibc
import Journal
import SystemPackage
import TestSupport
import Testing

@Suite struct BlockCacheTests {
  private static func block(_ byte: UInt8, size: Int = 1024) -> [UInt8] {
    [UInt8](repeating: byte, count: size)
  }

  @Test func aBlockIsReadOnce() throws {
    let file = try MemoryFile(Self.block(1) + Self.block(2))
    let cache = BlockCache(device: file.device(count: 2048))
    let buffer = try cache.read(BlockNumber(1))
    #expect(buffer.block == BlockNumber(1))
    try Syscall.write(file.descriptor, Self.block(9), at: 1024)
    #expect(try cache.read(BlockNumber(1)) === buffer)
    #expect(try cache.contents(1) == Self.block(2))
  }

  @Test func changesReachTheDeviceWithWriteBackOnly() throws {
    let file = try MemoryFile(Self.block(0) + Self.block(0))
    let cache = BlockCache(device: file.device(count: 2048))
    try cache.replace(1, with: Self.block(7))
    #expect(cache.isDirty)
    #expect(try file.contents == Self.block(0) + Self.block(0))
    try cache.writeBack()
    #expect(!cache.isDirty)
    #expect(try file.contents == Self.block(0) + Self.block(7))
    // Clean now: what happens to the device meanwhile is not undone.
    try Syscall.write(file.descriptor, Self.block(8), at: 1024)
    try cache.writeBack()
    #expect(try file.contents == Self.block(0) + Self.block(8))
  }

  @Test func whatIsOverwrittenLosesItsVerification() throws {
    let cache = BlockCache(device: try MemoryFile(Self.block(1)).device(count: 1024))
    try cache.read(BlockNumber(0)).verifiedAs = .attributes
    #expect(try cache.read(BlockNumber(0)).verifiedAs == .attributes)
    #expect(try cache.overwrite(BlockNumber(0)).verifiedAs == nil)
  }

  /// Few blocks, and more than are cached: the two ways to find what to forget.
  @Test(arguments: [1, 100] as [UInt64])
  func aForgottenBlockIsNeverWritten(count: UInt64) throws {
    let file = try MemoryFile((0..<4).flatMap { Self.block($0) })
    let cache = BlockCache(device: file.device(count: 4096))
    try cache.replace(1, with: Self.block(0xAA))
    try cache.replace(2, with: Self.block(0xBB))
    cache.forget(BlockNumber(2), count: count)
    try cache.writeBack()
    #expect(!cache.isDirty)
    #expect(try file.contents == Self.block(0) + Self.block(0xAA) + Self.block(2) + Self.block(3))
    #expect(try cache.contents(2) == Self.block(2))
  }

  @Test func aForgottenBlockCanBecomeDirtyAgain() throws {
    let file = try MemoryFile(Self.block(0))
    let cache = BlockCache(device: file.device(count: 1024))
    try cache.replace(0, with: Self.block(1))
    cache.forget(BlockNumber(0), count: 1)
    try cache.replace(0, with: Self.block(2))
    try cache.writeBack()
    #expect(try file.contents == Self.block(2))
  }

  @Test func trimDropsWhatIsCleanAndWasNotUsedSinceTheLastTrim() throws {
    let file = try MemoryFile((0..<4).flatMap { Self.block($0) })
    let cache = BlockCache(device: file.device(count: 4096))
    for block: UInt64 in 0..<3 { _ = try cache.read(BlockNumber(block)) }
    try cache.replace(3, with: Self.block(0xDD))
    cache.trim(to: 0)
    try Syscall.write(file.descriptor, (0..<4).flatMap { _ in Self.block(0x55) }, at: 0)
    // All were used before the first trim.
    #expect(try cache.contents(0) == Self.block(0))
    cache.trim(to: 0)
    #expect(try cache.contents(0) == Self.block(0))
    #expect(try cache.contents(1) == Self.block(0x55))
    #expect(try cache.contents(2) == Self.block(0x55))
    #expect(try cache.contents(3) == Self.block(0xDD))
    for _ in 0..<3 { cache.trim(to: 0) }
    #expect(try cache.contents(0) == Self.block(0x55))
    #expect(try cache.contents(3) == Self.block(0xDD))
    try cache.writeBack()
    #expect(try file.contents.suffix(1024) == Self.block(0xDD)[...])
  }

  @Test func trimKeepsWhatIsWithinTheLimit() throws {
    let file = try MemoryFile(Self.block(1) + Self.block(2))
    let cache = BlockCache(device: file.device(count: 2048))
    let first = try cache.read(BlockNumber(0))
    let second = try cache.read(BlockNumber(1))
    for _ in 0..<3 { cache.trim(to: 2048) }
    #expect(try cache.read(BlockNumber(0)) === first)
    #expect(try cache.read(BlockNumber(1)) === second)
  }

  @Test func anotherBlockSizeWritesBackAndStartsAnew() throws {
    let file = try MemoryFile((0..<8).flatMap { Self.block($0) })
    let cache = BlockCache(device: file.device(count: 8192))
    try cache.replace(5, with: Self.block(0xEE))
    try cache.setBlockSize(4096)
    #expect(cache.blockSize == 4096)
    #expect(!cache.isDirty)
    #expect(
      try cache.contents(1) == [4, 0xEE, 6, 7].flatMap { Self.block($0) })
  }

  @Test(arguments: [8, 9, 1 << 53, 1 << 54, (1 << 54) + 1, .max] as [UInt64])
  func blocksBeyondTheEndAreRefused(block: UInt64) throws {
    let cache = BlockCache(device: try MemoryFile().device(count: 8192))
    #expect(throws: Errno.ioError) { try cache.read(BlockNumber(block)) }
    #expect(throws: Errno.ioError) { try cache.overwrite(BlockNumber(block)) }
    #expect(try cache.contents(7) == Self.block(0))
    try cache.writeBack()
  }

  @Test func aBlockCutOffByTheEndIsRefused() throws {
    let cache = BlockCache(device: try MemoryFile().device(count: 8192 + 1000))
    #expect(throws: Errno.ioError) { try cache.read(BlockNumber(8)) }
    #expect(throws: Errno.ioError) { try cache.overwrite(BlockNumber(8)) }
    try cache.replace(7, with: Self.block(1))
    try cache.writeBack()
  }

  // MARK: Devices that fail

  @Test func whatCannotBeWrittenStaysDirtyUntilItCan() throws {
    let file = try MemoryFile([UInt8](repeating: 0, count: 8 * 1024))
    try file.sealGrowth()
    let cache = BlockCache(device: file.device(count: 16 * 1024))
    for block: UInt64 in [9, 2, 12, 7] {
      try cache.replace(block, with: Self.block(UInt8(block)))
    }
    #expect(throws: Errno.notPermitted) { try cache.writeBack() }
    #expect(cache.isDirty)
    // The others have been written all the same.
    var expected = [UInt8](repeating: 0, count: 8 * 1024)
    expected.replaceSubrange(2048..<3072, with: Self.block(2))
    expected.replaceSubrange(7168..<8192, with: Self.block(7))
    #expect(try file.contents == expected)
    #expect(throws: Errno.notPermitted) { try cache.writeBack() }

    // The device is repaired, and lost block 2 on the way: that was clean, and is not written again.
    let repaired = try MemoryFile([UInt8](repeating: 0x99, count: 16 * 1024))
    try file.becomes(repaired)
    try cache.writeBack()
    #expect(!cache.isDirty)
    expected = [UInt8](repeating: 0x99, count: 16 * 1024)
    expected.replaceSubrange(9216..<10240, with: Self.block(9))
    expected.replaceSubrange(12288..<13312, with: Self.block(12))
    #expect(try repaired.contents == expected)
  }

  @Test func aFullDeviceLosesNothing() throws {
    try withOpen("/dev/full", .readWrite) { descriptor in
      let cache = BlockCache(
        device: BlockDevice(
          fileDescriptor: descriptor, byteOffset: 0, byteCount: 1 << 20, isWritable: true))
      try cache.replace(3, with: Self.block(3))
      try cache.replace(4, with: Self.block(4))
      #expect(throws: Errno.noSpace) { try cache.writeBack() }
      cache.forget(BlockNumber(3), count: 1)
      #expect(throws: Errno.noSpace) { try cache.writeBack() }
      #expect(cache.isDirty)
      // What is dirty is not dropped, and still to be read.
      for _ in 0..<3 { cache.trim(to: 0) }
      #expect(try cache.contents(4) == Self.block(4))
      #expect(throws: Errno.noSpace) { try cache.setBlockSize(4096) }
      #expect(cache.blockSize == 1024)
      #expect(try cache.contents(4) == Self.block(4))
      cache.forget(BlockNumber(4), count: 1)
      try cache.writeBack()
      #expect(!cache.isDirty)
    }
  }

  @Test func aFailedReadLeavesNothingBehind() throws {
    let file = try MemoryFile(Self.block(1))
    try withOpen(file.path, .writeOnly) { writeOnly in
      let cache = BlockCache(
        device: BlockDevice(
          fileDescriptor: writeOnly, byteOffset: 0, byteCount: 1024, isWritable: true))
      #expect(throws: Errno.badFileDescriptor) { try cache.read(BlockNumber(0)) }
      _ = dup2(file.descriptor, writeOnly)
      let contents = try cache.contents(0)
      #expect(contents == Self.block(1))
    }
  }
}
