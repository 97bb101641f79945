/// `struct fuse_statx`, 256 bytes: what statx(2) tells.
public struct FileStatus: Hashable, Sendable {
  /// In bytes.
  @inlinable public static var size: Int { 256 }

  /// STATX_* of statx(2): what counts here.
  public var mask: UInt32
  /// Bytes.
  public var blockSize: UInt32
  /// STATX_ATTR_* of statx(2). Linux passes none on (seen with 6.18).
  public var attributes: UInt64
  /// Those that the file system has.
  public var attributesMask: UInt64
  public var linkCount: UInt32
  public var userID: UInt32
  public var groupID: UInt32
  /// Type and permissions.
  public var mode: UInt16
  public var inode: UInt64
  /// Bytes.
  public var byteCount: UInt64
  /// Of 512 bytes.
  public var sectorCount: UInt64
  public var accessTime: Timestamp
  public var birthTime: Timestamp
  public var changeTime: Timestamp
  public var modificationTime: Timestamp
  /// What a device file stands for.
  public var device: DeviceNumber
  /// What the file is on. Linux puts the mount's own here.
  public var containingDevice: DeviceNumber

  public struct DeviceNumber: Hashable, Sendable {
    public var major: UInt32
    public var minor: UInt32

    @inlinable
    public init(major: UInt32, minor: UInt32) {
      self.major = major
      self.minor = minor
    }

    /// From the kernel's `new_encode_dev` form: 8 bits of the minor, 12 of the major, then the rest of the minor.
    @inlinable
    public init(encoded: UInt32) {
      major = (encoded >> 8) & 0xFFF
      minor = (encoded & 0xFF) | ((encoded >> 12) & 0xFFF00)
    }
  }

  @inlinable
  public init(
    mask: UInt32, blockSize: UInt32, attributes: UInt64 = 0, attributesMask: UInt64 = 0,
    linkCount: UInt32, userID: UInt32, groupID: UInt32, mode: UInt16, inode: UInt64,
    byteCount: UInt64, sectorCount: UInt64, accessTime: Timestamp, birthTime: Timestamp,
    changeTime: Timestamp, modificationTime: Timestamp, device: DeviceNumber,
    containingDevice: DeviceNumber = DeviceNumber(major: 0, minor: 0)
  ) {
    self.mask = mask
    self.blockSize = blockSize
    self.attributes = attributes
    self.attributesMask = attributesMask
    self.linkCount = linkCount
    self.userID = userID
    self.groupID = groupID
    self.mode = mode
    self.inode = inode
    self.byteCount = byteCount
    self.sectorCount = sectorCount
    self.accessTime = accessTime
    self.birthTime = birthTime
    self.changeTime = changeTime
    self.modificationTime = modificationTime
    self.device = device
    self.containingDevice = containingDevice
  }

  /// `fields` has `size` bytes.
  init(_ fields: UnsafeRawBufferPointer) {
    func time(_ offset: Int) -> Timestamp {
      Timestamp(seconds: fields.field(offset), nanoseconds: fields.field(offset + 8))
    }
    func number(_ offset: Int) -> DeviceNumber {
      DeviceNumber(major: fields.field(offset), minor: fields.field(offset + 4))
    }
    mask = fields.field(0)
    blockSize = fields.field(4)
    attributes = fields.field(8)
    linkCount = fields.field(16)
    userID = fields.field(20)
    groupID = fields.field(24)
    mode = fields.field(28)
    inode = fields.field(32)
    byteCount = fields.field(40)
    sectorCount = fields.field(48)
    attributesMask = fields.field(56)
    accessTime = time(64)
    birthTime = time(80)
    changeTime = time(96)
    modificationTime = time(112)
    device = number(128)
    containingDevice = number(136)
  }

  /// Writes the fields into `memory`, of `size` zero bytes.
  func encode(into memory: UnsafeMutableRawBufferPointer) {
    func put(_ time: Timestamp, _ offset: Int) {
      memory.put(time.seconds, at: offset)
      memory.put(time.nanoseconds, at: offset + 8)
    }
    func put(_ number: DeviceNumber, _ offset: Int) {
      memory.put(number.major, at: offset)
      memory.put(number.minor, at: offset + 4)
    }
    memory.put(mask, at: 0)
    memory.put(blockSize, at: 4)
    memory.put(attributes, at: 8)
    memory.put(linkCount, at: 16)
    memory.put(userID, at: 20)
    memory.put(groupID, at: 24)
    memory.put(mode, at: 28)
    memory.put(inode, at: 32)
    memory.put(byteCount, at: 40)
    memory.put(sectorCount, at: 48)
    memory.put(attributesMask, at: 56)
    put(accessTime, 64)
    put(birthTime, 80)
    put(changeTime, 96)
    put(modificationTime, 112)
    put(device, 128)
    put(containingDevice, 136)
  }
}
