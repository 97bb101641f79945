import CExt2FS
import Glibc
import Journal
import SystemPackage
import TestSupport
import Testing

/// libext2fs on a block cache.
@Suite struct IOManagerTests {
  /// Opens the file system on `device` for `body`.
  private func withFileSystem(
    on device: BlockDevice, flags: CInt, _ body: (ext2_filsys, BlockCache) throws -> Void
  ) throws {
    let cache = BlockCache(device: device)
    try withExtendedLifetime(cache) {
      var opened: ext2_filsys?
      let code = ext2fs_open2(
        IOManager.name(for: cache), nil, flags | EXT2_FLAG_64BITS, 0, 0, IOManager.shared, &opened)
      guard code == 0, let opened else { throw Failure("ext2fs_open2: \(code)") }
      defer { ext2fs_free(opened) }
      try body(opened, cache)
    }
  }

  /// A channel on `device` with blocks of 1024 bytes.
  private func withChannel(
    on device: BlockDevice, _ body: (io_channel, BlockCache) throws -> Void
  ) throws {
    let cache = BlockCache(device: device)
    try withExtendedLifetime(cache) {
      var opened: io_channel?
      let code = IOManager.shared.pointee.open(IOManager.name(for: cache), 0, &opened)
      guard code == 0, let opened else { throw Failure("open: \(code)") }
      defer { _ = opened.pointee.manager.pointee.close(opened) }
      try body(opened, cache)
    }
  }

  private func flush(_ channel: io_channel) -> errcode_t {
    channel.pointee.manager.pointee.flush(channel)
  }

  /// The image begins at `offset` of its file.
  @Test(arguments: [(1024, 0), (4096, 0), (4096, 12_345), (65_536, 1 << 20)])
  func opensWhatMke2fsMakes(blockSize: Int, offset: Int) throws {
    try Scratch.with { scratch in
      let path = scratch.appending("image")
      let image = try Image(
        at: path, size: String((32 << 20) / blockSize), blockSize: blockSize,
        options: ["-L", "some label", "-E", "offset=\(offset)"])
      try withOpen(image.path, .readOnly) { descriptor in
        let superblock = try Syscall.read(descriptor, count: 1024, at: offset + 1024)
        let device = BlockDevice(
          fileDescriptor: descriptor, byteOffset: Int64(offset), byteCount: 32 << 20,
          isWritable: false)
        try withFileSystem(on: device, flags: 0) { fs, cache in
          let opened = UnsafeRawBufferPointer(start: fs.pointee.super, count: 1024)
          #expect(opened.elementsEqual(superblock))
          #expect(Int(fs.pointee.blocksize) == blockSize)
          #expect(cache.blockSize == blockSize)
          #expect(ext2fs_blocks_count(fs.pointee.super) == (32 << 20) / blockSize)
          #expect(ext2fs_read_bitmaps(fs) == 0)
          #expect(ext2fs_test_inode_bitmap2(fs.pointee.inode_map, 2) != 0)
        }
      }
    }
  }

  @Test func writesReachTheImageWithFlush() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M")
      try withOpen(image.path, .readWrite) { descriptor in
        let device = BlockDevice(
          fileDescriptor: descriptor, byteOffset: 0, byteCount: 16 << 20, isWritable: true)
        try withFileSystem(on: device, flags: EXT2_FLAG_RW) { fs, cache in
          #expect(ext2fs_read_bitmaps(fs) == 0)
          var inode: ext2_ino_t = 0
          #expect(ext2fs_new_inode(fs, 2, 0o40755, nil, &inode) == 0)
          #expect(ext2fs_mkdir(fs, 2, inode, "made") == 0)
          #expect(ext2fs_flush(fs) == 0)
          #expect(!cache.isDirty)
        }
      }
      try image.check()
      #expect(try image.debugfs("ls /").contains("made"))
    }
  }

  @Test func aFailingDeviceFailsTheFlush() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M")
      let before = try Command(["sha256sum", image.path.string]).succeed().text
      try withOpen(image.path, .readOnly) { descriptor in
        // The device says it can be written, but the descriptor cannot.
        let device = BlockDevice(
          fileDescriptor: descriptor, byteOffset: 0, byteCount: 16 << 20, isWritable: true)
        try withFileSystem(on: device, flags: EXT2_FLAG_RW) { fs, cache in
          ext2fs_mark_super_dirty(fs)
          #expect(ext2fs_flush(fs) == errcode_t(EBADF))
          #expect(cache.isDirty)
          cache.forget(BlockNumber(0), count: 4096)
        }
      }
      #expect(try Command(["sha256sum", image.path.string]).succeed().text == before)
    }
  }

  @Test(arguments: ["", "zz", "0", "image.ext4"])
  func refusesANameThatIsNoCache(name: String) {
    var channel: io_channel?
    #expect(
      IOManager.shared.pointee.open(name, 0, &channel) == errcode_t(EXT2_ET_BAD_DEVICE_NAME))
    #expect(channel == nil)
  }

  @Test func readsBlocksAndBytes() throws {
    let bytes = SeededGenerator.bytes(8192, seed: 1)
    try withChannel(on: try MemoryFile(bytes).device(count: 8192)) { channel, _ in
      var data = [UInt8](repeating: 0, count: 4000)
      #expect(io_channel_read_blk64(channel, 2, 3, &data) == 0)
      #expect(data == bytes[2048..<5120] + [UInt8](repeating: 0, count: 928))
      // A negative count is one of bytes.
      data = [UInt8](repeating: 0, count: 4000)
      #expect(io_channel_read_blk64(channel, 3, -1500, &data) == 0)
      #expect(data == bytes[3072..<4572] + [UInt8](repeating: 0, count: 2500))
    }
  }

  @Test func writesBlocksAndBytes() throws {
    var bytes = SeededGenerator.bytes(8192, seed: 2)
    let file = try MemoryFile(bytes)
    try withChannel(on: file.device(count: 8192)) { channel, cache in
      let data = SeededGenerator.bytes(3072, seed: 3)
      #expect(io_channel_write_blk64(channel, 1, 2, data) == 0)
      bytes.replaceSubrange(1024..<3072, with: data[..<2048])
      #expect(io_channel_write_blk64(channel, 4, -1500, data) == 0)
      bytes.replaceSubrange(4096..<5596, with: data[..<1500])
      #expect(io_channel_write_byte(channel, 7000, 100, data) == 0)
      bytes.replaceSubrange(7000..<7100, with: data[..<100])
      #expect(cache.isDirty)
      #expect(flush(channel) == 0)
      let contents = try file.contents
      #expect(contents == bytes)
    }
  }

  @Test func aPartialWriteLosesTheVerification() throws {
    try withChannel(on: try MemoryFile().device(count: 8192)) { channel, cache in
      try cache.read(BlockNumber(3)).verifiedAs = .directoryEntries
      #expect(io_channel_write_byte(channel, 3 * 1024 + 5, 1, [1]) == 0)
      #expect(try cache.read(BlockNumber(3)).verifiedAs == nil)
    }
  }

  @Test func zerosReplaceWhatWasCached() throws {
    let file = try MemoryFile([UInt8](repeating: 7, count: 8192))
    try withChannel(on: file.device(count: 8192)) { channel, cache in
      try cache.replace(2, with: [UInt8](repeating: 9, count: 1024))
      #expect(io_channel_zeroout(channel, 1, 3) == 0)
      #expect(flush(channel) == 0)
      #expect(try cache.contents(2) == [UInt8](repeating: 0, count: 1024))
      let sevens = [UInt8](repeating: 7, count: 1024)
      #expect(
        try file.contents
          == sevens + [UInt8](repeating: 0, count: 3072)
          + [[UInt8]](repeating: sevens, count: 4)
          .flatMap { $0 })
    }
  }

  /// Block numbers come from the image, and a damaged image may hold any.
  @Test(arguments: [8, 1 << 53, 1 << 54, 1 << 62, .max] as [UInt64])
  func blocksBeyondTheEndAreErrors(block: UInt64) throws {
    let file = try MemoryFile([UInt8](repeating: 7, count: 8192))
    try withChannel(on: file.device(count: 8192)) { channel, cache in
      var data = [UInt8](repeating: 1, count: 2048)
      #expect(io_channel_read_blk64(channel, block, 1, &data) == errcode_t(EIO))
      #expect(io_channel_read_blk64(channel, block, 2, &data) == errcode_t(EIO))
      #expect(io_channel_write_blk64(channel, block, 1, data) == errcode_t(EIO))
      #expect(io_channel_write_blk64(channel, block, 2, data) == errcode_t(EIO))
      #expect(io_channel_write_byte(channel, UInt(block) | 8192, 10, data) == errcode_t(EIO))
      #expect(io_channel_zeroout(channel, block, 1) == errcode_t(EIO))
      #expect(io_channel_zeroout(channel, 0, block + (block == .max ? 0 : 1)) == errcode_t(EIO))
      #expect(!cache.isDirty)
      #expect(flush(channel) == 0)
    }
    #expect(try file.contents == [UInt8](repeating: 7, count: 8192))
  }

  /// A range of which the first part is there is refused as a whole.
  @Test func rangesAcrossTheEndChangeNothing() throws {
    let file = try MemoryFile([UInt8](repeating: 7, count: 8192))
    try withChannel(on: file.device(count: 8192)) { channel, cache in
      let data = [UInt8](repeating: 1, count: 4096)
      #expect(io_channel_write_blk64(channel, 7, 2, data) == errcode_t(EIO))
      #expect(io_channel_write_byte(channel, 8190, 3, data) == errcode_t(EIO))
      try cache.replace(7, with: Array(data[..<1024]))
      #expect(io_channel_zeroout(channel, 7, 2) == errcode_t(EIO))
      #expect(flush(channel) == 0)
    }
    #expect(
      try file.contents
        == [UInt8](repeating: 7, count: 7168) + [UInt8](repeating: 1, count: 1024))
  }

  @Test func optionsAndDiscardsAreDeclined() throws {
    try withChannel(on: try MemoryFile().device(count: 8192)) { channel, _ in
      #expect(io_channel_set_options(channel, "offset=5") != 0)
      #expect(io_channel_discard(channel, 0, 1) == errcode_t(EXT2_ET_UNIMPLEMENTED))
    }
  }

  @Test func closingReportsWhatCouldNotBeWritten() throws {
    try withOpen("/dev/full", .readWrite) { descriptor in
      let cache = BlockCache(
        device: BlockDevice(
          fileDescriptor: descriptor, byteOffset: 0, byteCount: 8192, isWritable: true))
      var channel: io_channel?
      let code = IOManager.shared.pointee.open(IOManager.name(for: cache), 0, &channel)
      #expect(code == 0)
      try cache.replace(1, with: [UInt8](repeating: 1, count: 1024))
      #expect(IOManager.shared.pointee.close(channel) == errcode_t(ENOSPC))
      #expect(cache.isDirty)
    }
  }
}
