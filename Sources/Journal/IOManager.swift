import CExt2FS
import Glibc
import SystemPackage

/// libext2fs's way to the device: an `io_manager` whose channels read and write a `BlockCache`.
///
/// libext2fs holds no blocks of its own behind it, so the cache is the only copy of metadata in memory
/// and decides when it reaches the disk.
public enum IOManager {
  /// The name under which `ext2fs_open2` finds `cache` again. The caller keeps `cache` alive until the
  /// channel is closed.
  public static func name(for cache: BlockCache) -> String {
    let address = UInt(bitPattern: Unmanaged.passUnretained(cache).toOpaque())
    return String(address, radix: 16)
  }

  /// The manager to hand to `ext2fs_open2`, together with a `name(for:)`.
  public nonisolated(unsafe) static let shared: io_manager = {
    let manager = io_manager.allocate(capacity: 1)
    memset(manager, 0, MemoryLayout<struct_io_manager>.size)
    manager.pointee.magic = errcode_t(EXT2_ET_MAGIC_IO_MANAGER)
    manager.pointee.name = UnsafePointer(strdup("fuse4fs"))
    manager.pointee.open = { open(name: $0, flags: $1, channel: $2) }
    manager.pointee.close = { close(channel: $0) }
    manager.pointee.set_blksize = { channel, size in
      attempt { () throws(Errno) in
        try cache(of: channel).setBlockSize(Int(size))
        channel!.pointee.block_size = size
      }
    }
    manager.pointee.read_blk = { read(channel: $0, block: UInt64($1), count: $2, into: $3) }
    manager.pointee.read_blk64 = { read(channel: $0, block: $1, count: $2, into: $3) }
    manager.pointee.write_blk = { write(channel: $0, block: UInt64($1), count: $2, from: $3) }
    manager.pointee.write_blk64 = { write(channel: $0, block: $1, count: $2, from: $3) }
    manager.pointee.flush = { channel in
      attempt { () throws(Errno) in try cache(of: channel).writeBack() }
    }
    manager.pointee.write_byte = { channel, offset, count, data in
      attempt { () throws(Errno) in
        try cache(of: channel).write(
          UnsafeRawBufferPointer(start: data, count: Int(count)), atByte: UInt64(offset))
      }
    }
    manager.pointee.set_option = { _, _, _ in errcode_t(EXT2_ET_INVALID_ARGUMENT) }
    manager.pointee.discard = { _, _, _ in errcode_t(EXT2_ET_UNIMPLEMENTED) }
    manager.pointee.cache_readahead = { _, _, _ in errcode_t(EXT2_ET_OP_NOT_SUPPORTED) }
    manager.pointee.zeroout = { channel, block, count in
      attempt { () throws(Errno) in
        let cache = cache(of: channel)
        let offset = try cache.byteOffset(of: BlockNumber(block), count: count)
        cache.forget(BlockNumber(block), count: count)
        try cache.device.writeZeros(count * UInt64(cache.blockSize), at: offset)
      }
    }
    return manager
  }()

  private static func open(
    name: UnsafePointer<CChar>?, flags: CInt, channel: UnsafeMutablePointer<io_channel?>?
  ) -> errcode_t {
    guard let name, let channel, let address = UInt(String(cString: name), radix: 16),
      let cache = UnsafeMutableRawPointer(bitPattern: address)
    else { return errcode_t(EXT2_ET_BAD_DEVICE_NAME) }
    let opened = io_channel.allocate(capacity: 1)
    memset(opened, 0, MemoryLayout<struct_io_channel>.size)
    opened.pointee.magic = errcode_t(EXT2_ET_MAGIC_IO_CHANNEL)
    opened.pointee.manager = shared
    opened.pointee.name = strdup(name)
    opened.pointee.block_size = 1024
    opened.pointee.refcount = 1
    opened.pointee.private_data = cache
    channel.pointee = opened
    return 0
  }

  private static func close(channel: io_channel?) -> errcode_t {
    guard let channel else { return 0 }
    channel.pointee.refcount -= 1
    guard channel.pointee.refcount == 0 else { return 0 }
    let code = attempt { () throws(Errno) in try cache(of: channel).writeBack() }
    free(channel.pointee.name)
    channel.deallocate()
    return code
  }

  private static func cache(of channel: io_channel?) -> BlockCache {
    Unmanaged<BlockCache>.fromOpaque(channel!.pointee.private_data).takeUnretainedValue()
  }

  /// `count` is in blocks, or in bytes when negative.
  private static func read(
    channel: io_channel?, block: UInt64, count: CInt, into data: UnsafeMutableRawPointer?
  ) -> errcode_t {
    attempt { () throws(Errno) in
      let cache = cache(of: channel)
      let bytes = count < 0 ? -Int(count) : Int(count) * cache.blockSize
      var done = 0
      while done < bytes {
        let buffer = try cache.read(BlockNumber(block) + UInt64(done / cache.blockSize))
        let length = min(cache.blockSize, bytes - done)
        memcpy(data! + done, buffer.data, length)
        done += length
      }
    }
  }

  private static func write(
    channel: io_channel?, block: UInt64, count: CInt, from data: UnsafeRawPointer?
  ) -> errcode_t {
    attempt { () throws(Errno) in
      let cache = cache(of: channel)
      let bytes = count < 0 ? -Int(count) : Int(count) * cache.blockSize
      let offset = try cache.byteOffset(of: BlockNumber(block), count: 0)
      try cache.write(UnsafeRawBufferPointer(start: data, count: bytes), atByte: offset)
    }
  }

  private static func attempt(_ body: () throws(Errno) -> Void) -> errcode_t {
    do {
      try body()
      return 0
    } catch {
      return errcode_t(error.rawValue)
    }
  }
}

extension BlockCache {
  /// Copies `bytes` over the cached blocks from byte `offset` on; EIO, and nothing copied, unless all of
  /// them are within the device.
  func write(_ bytes: UnsafeRawBufferPointer, atByte offset: UInt64) throws(Errno) {
    try device.check(UInt64(bytes.count), at: offset)
    var done = 0
    while done < bytes.count {
      let position = offset + UInt64(done)
      let block = BlockNumber(position / UInt64(blockSize))
      let within = Int(position % UInt64(blockSize))
      let length = min(blockSize - within, bytes.count - done)
      let buffer = length == blockSize ? try overwrite(block) : try read(block)
      memcpy(buffer.data + within, bytes.baseAddress! + done, length)
      buffer.verifiedAs = nil
      markDirty(buffer)
      done += length
    }
  }
}
