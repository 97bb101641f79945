/// `struct fuse_attr`, 88 bytes; 80 before 7.9, without block size and flags.
public struct FileAttributes: Hashable, Sendable {
  public var inode: UInt64
  /// Bytes.
  public var size: UInt64
  /// Of 512 bytes.
  public var sectorCount: UInt64
  public var accessTime: Timestamp
  public var modificationTime: Timestamp
  public var changeTime: Timestamp
  /// Type and permissions.
  public var mode: UInt32
  public var linkCount: UInt32
  public var userID: UInt32
  public var groupID: UInt32
  /// In the kernel's `new_encode_dev` form.
  public var device: UInt32
  /// What stat(2) calls the block size for I/O, in bytes; 0 for the kernel's own.
  public var blockSize: UInt32
  public var flags: FileAttributeFlags

  @inlinable
  public init(
    inode: UInt64, size: UInt64, sectorCount: UInt64, accessTime: Timestamp,
    modificationTime: Timestamp, changeTime: Timestamp, mode: UInt32, linkCount: UInt32,
    userID: UInt32, groupID: UInt32, device: UInt32, blockSize: UInt32,
    flags: FileAttributeFlags = []
  ) {
    self.inode = inode
    self.size = size
    self.sectorCount = sectorCount
    self.accessTime = accessTime
    self.modificationTime = modificationTime
    self.changeTime = changeTime
    self.mode = mode
    self.linkCount = linkCount
    self.userID = userID
    self.groupID = groupID
    self.device = device
    self.blockSize = blockSize
    self.flags = flags
  }

  /// Bytes that it takes at `minor`.
  @inlinable
  public static func size(at minor: UInt32) -> Int { minor < 9 ? 80 : 88 }

  /// `fields` has `size(at:)` bytes for some minor.
  init(_ fields: UnsafeRawBufferPointer) {
    inode = fields.field(0)
    size = fields.field(8)
    sectorCount = fields.field(16)
    accessTime = Timestamp(seconds: fields.field(24), nanoseconds: fields.field(48))
    modificationTime = Timestamp(seconds: fields.field(32), nanoseconds: fields.field(52))
    changeTime = Timestamp(seconds: fields.field(40), nanoseconds: fields.field(56))
    mode = fields.field(60)
    linkCount = fields.field(64)
    userID = fields.field(68)
    groupID = fields.field(72)
    device = fields.field(76)
    blockSize = fields.fieldOrZero(80)
    flags = FileAttributeFlags(rawValue: fields.fieldOrZero(84))
  }

  /// Writes `size(at:)` bytes from `offset` on, for which there must be room.
  @inlinable
  func encode(into memory: UnsafeMutableRawBufferPointer, at offset: Int, _ minor: UInt32) {
    memory.put(inode, at: offset)
    memory.put(size, at: offset + 8)
    memory.put(sectorCount, at: offset + 16)
    memory.put(accessTime.seconds, at: offset + 24)
    memory.put(modificationTime.seconds, at: offset + 32)
    memory.put(changeTime.seconds, at: offset + 40)
    memory.put(accessTime.nanoseconds, at: offset + 48)
    memory.put(modificationTime.nanoseconds, at: offset + 52)
    memory.put(changeTime.nanoseconds, at: offset + 56)
    memory.put(mode, at: offset + 60)
    memory.put(linkCount, at: offset + 64)
    memory.put(userID, at: offset + 68)
    memory.put(groupID, at: offset + 72)
    memory.put(device, at: offset + 76)
    guard minor >= 9 else { return }
    memory.put(blockSize, at: offset + 80)
    memory.put(flags.rawValue, at: offset + 84)
  }
}
