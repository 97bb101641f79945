/// What is on disk, as far as a test must know it.
public protocol DiskOracle: Sendable {
  var blockSize: UInt64 { get }
  /// Whether the file system is one that libext2fs knows: its superblock and times can be compared.
  var isExt4: Bool { get }
  /// Whether files have an unwritten state for their blocks.
  var hasExtents: Bool { get }
  /// What is committed of some inodes; nil for one that is not in use.
  func inodes(_ numbers: [UInt64]) throws -> [UInt64: InodeTruth]
  /// Whether the superblock says that the file system was cleanly unmounted.
  func isClean() throws -> Bool
}

/// An inode as it is on disk.
public struct InodeTruth: Sendable, Equatable {
  public struct Extent: Sendable, Equatable {
    /// In file system blocks.
    public var fileBlock: UInt64
    public var count: UInt64
    public var deviceBlock: UInt64
    public var isUnwritten: Bool

    public init(fileBlock: UInt64, count: UInt64, deviceBlock: UInt64, isUnwritten: Bool) {
      self.fileBlock = fileBlock
      self.count = count
      self.deviceBlock = deviceBlock
      self.isUnwritten = isUnwritten
    }
  }

  public struct Time: Sendable, Equatable {
    public var seconds: Int64
    public var nanoseconds: UInt32

    public init(seconds: Int64, nanoseconds: UInt32) {
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }
  }

  public var number: UInt64
  public var size: UInt64
  public var mode: UInt32
  public var links: UInt32
  public var uid: UInt32
  public var gid: UInt32
  /// EXT4_*_FL.
  public var flags: UInt32
  public var accessTime: Time
  public var modificationTime: Time
  public var changeTime: Time
  /// In order, adjacent ones merged.
  public var extents: [Extent]

  public init(number: UInt64, size: UInt64, mode: UInt32, links: UInt32 = 1, extents: [Extent]) {
    self.number = number
    self.size = size
    self.mode = mode
    self.links = links
    self.extents = extents
    (uid, gid, flags) = (0, 0, 0)
    accessTime = Time(seconds: 0, nanoseconds: 0)
    modificationTime = accessTime
    changeTime = accessTime
  }

  /// The extent that covers a block of the file.
  public func extent(at fileBlock: UInt64) -> Extent? {
    var (low, high) = (0, extents.count)
    while low < high {
      let middle = (low + high) / 2
      let extent = extents[middle]
      if extent.fileBlock + extent.count <= fileBlock { low = middle + 1 } else { high = middle }
    }
    guard low < extents.count, extents[low].fileBlock <= fileBlock else { return nil }
    return extents[low]
  }

  /// Adds a block or extent behind the last one.
  public mutating func append(_ extent: Extent) {
    if let last = extents.last, last.fileBlock + last.count == extent.fileBlock,
      last.deviceBlock + last.count == extent.deviceBlock, last.isUnwritten == extent.isUnwritten
    {
      extents[extents.count - 1].count += extent.count
    } else {
      extents.append(extent)
    }
  }
}
