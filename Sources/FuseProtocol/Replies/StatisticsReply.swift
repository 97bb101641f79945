extension Reply {
  /// `struct fuse_statfs_out`, 80 bytes (FUSE_COMPAT_STATFS_SIZE, 48, before 7.4): to STATFS.
  public struct Statistics: ReplyArguments {
    /// Of `fragmentSize` bytes each, as are the free and the available ones.
    public var blocks: UInt64
    public var freeBlocks: UInt64
    /// Free for users without privileges.
    public var availableBlocks: UInt64
    public var files: UInt64
    public var freeFiles: UInt64
    /// For I/O, in bytes.
    public var blockSize: UInt32
    /// Bytes.
    public var maximumNameLength: UInt32
    /// Bytes. Not sent before 7.4.
    public var fragmentSize: UInt32

    @inlinable
    public init(
      blocks: UInt64, freeBlocks: UInt64, availableBlocks: UInt64, files: UInt64,
      freeFiles: UInt64, blockSize: UInt32, maximumNameLength: UInt32, fragmentSize: UInt32
    ) {
      self.blocks = blocks
      self.freeBlocks = freeBlocks
      self.availableBlocks = availableBlocks
      self.files = files
      self.freeFiles = freeFiles
      self.blockSize = blockSize
      self.maximumNameLength = maximumNameLength
      self.fragmentSize = fragmentSize
    }

    @inlinable public static func size(at minor: UInt32) -> Int { minor < 4 ? 48 : 80 }

    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      memory.clear(Self.size(at: minor))
      memory.put(blocks, at: 0)
      memory.put(freeBlocks, at: 8)
      memory.put(availableBlocks, at: 16)
      memory.put(files, at: 24)
      memory.put(freeFiles, at: 32)
      memory.put(blockSize, at: 40)
      memory.put(maximumNameLength, at: 44)
      if minor >= 4 { memory.put(fragmentSize, at: 48) }
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      blocks = payload.field(0)
      freeBlocks = payload.field(8)
      availableBlocks = payload.field(16)
      files = payload.field(24)
      freeFiles = payload.field(32)
      blockSize = payload.field(40)
      maximumNameLength = payload.field(44)
      fragmentSize = payload.fieldOrZero(48)
    }
  }
}
