import Glibc
import IomapCache

/// The attributes of a node.
public struct Attributes: Sendable {
  public var inode: UInt64
  public var mode: UInt32
  public var linkCount: UInt32
  public var userID: UInt32
  public var groupID: UInt32
  /// Bytes.
  public var size: UInt64
  /// 512-byte sectors.
  public var sectorCount: UInt64
  /// In the kernel's `new_encode_dev` form.
  public var device: UInt32
  public var blockSize: UInt32
  public var accessTime: timespec
  public var modificationTime: timespec
  public var changeTime: timespec
  /// Nil where the file system does not keep it.
  public var birthTime: timespec?
  /// The kernel is to ask again before every write to the file.
  public var mustBeAskedAgain = false
  /// What the kernel that moves data is to do with the node.
  public var flags: InodeAttributeFlags = []

  /// Seconds.
  var validity: Double { mustBeAskedAgain ? 0 : Validity.unlimited }

  public init(
    inode: UInt64, mode: UInt32, linkCount: UInt32, userID: UInt32, groupID: UInt32, size: UInt64,
    sectorCount: UInt64, device: UInt32, blockSize: UInt32, accessTime: timespec,
    modificationTime: timespec, changeTime: timespec, birthTime: timespec?
  ) {
    self.inode = inode
    self.mode = mode
    self.linkCount = linkCount
    self.userID = userID
    self.groupID = groupID
    self.size = size
    self.sectorCount = sectorCount
    self.device = device
    self.blockSize = blockSize
    self.accessTime = accessTime
    self.modificationTime = modificationTime
    self.changeTime = changeTime
    self.birthTime = birthTime
  }
}

/// A node as an answer to a name: the kernel holds one more reference to it from now on.
public struct Entry: Sendable {
  public var node: NodeID
  public var generation: UInt64
  public var attributes: Attributes

  public init(node: NodeID, generation: UInt64, attributes: Attributes) {
    self.node = node
    self.generation = generation
    self.attributes = attributes
  }
}

/// How long the kernel may rely on an answer, in seconds. The image is ours alone, so nothing changes behind the kernel's
/// back.
enum Validity {
  static let unlimited = 1e9
}

/// What setattr asks for; nil leaves a thing as it is.
public struct AttributeRequest: Sendable {
  public enum Time: Sendable {
    case now
    case at(timespec)
  }

  public var mode: UInt32?
  public var userID: UInt32?
  public var groupID: UInt32?
  public var size: UInt64?
  public var accessTime: Time?
  public var modificationTime: Time?
  public var changeTime: timespec?
  /// FATTR_KILL_SUIDGID: the caller may not keep set-id bits over this change.
  public var clearsSetID = false
}

/// What statfs reports.
public struct FileSystemStatistics: Sendable {
  public var blockSize: UInt32
  public var blocks: UInt64
  public var freeBlocks: UInt64
  public var availableBlocks: UInt64
  public var files: UInt64
  public var freeFiles: UInt64
  public var maximumNameLength: UInt32

  public init(
    blockSize: UInt32, blocks: UInt64, freeBlocks: UInt64, availableBlocks: UInt64, files: UInt64,
    freeFiles: UInt64, maximumNameLength: UInt32
  ) {
    self.blockSize = blockSize
    self.blocks = blocks
    self.freeBlocks = freeBlocks
    self.availableBlocks = availableBlocks
    self.files = files
    self.freeFiles = freeFiles
    self.maximumNameLength = maximumNameLength
  }
}
