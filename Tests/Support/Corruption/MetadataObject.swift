/// A number that a structure on disk has.
public struct MetadataField: Sendable, Equatable {
  public let name: String
  /// From the beginning of the structure.
  public let offset: Int
  /// Bytes, 1 to 8.
  public let size: Int
  public let isBigEndian: Bool
  /// Is a checksum, which nothing puts right after it was changed.
  public let isChecksum: Bool

  public init(_ name: String, _ offset: Int, _ size: Int, isBigEndian: Bool = false) {
    self.name = name
    self.offset = offset
    self.size = size
    self.isBigEndian = isBigEndian
    isChecksum = name.contains("checksum") && name != "checksum_type" && name != "checksum_seed"
  }
}

/// The kinds of structures that hold metadata.
public enum MetadataKind: String, CaseIterable, Sendable {
  case superblock = "superblock"
  case groupDescriptor = "group descriptor"
  case blockBitmap = "block bitmap"
  case inodeBitmap = "inode bitmap"
  case inode = "inode"
  case extentHeader = "extent header"
  case extentIndex = "extent index"
  case extentLeaf = "extent"
  case indirectBlock = "indirect block"
  case directoryEntry = "directory entry"
  case directoryTail = "directory tail"
  case hashTreeRoot = "htree root"
  case hashTreeNode = "htree node"
  case hashTreeTail = "htree tail"
  case inlineDirectory = "inline directory"
  case attributeBlock = "attribute block"
  case attributeEntry = "attribute entry"
  case bodyAttribute = "attribute in the inode"
  case orphanFile = "orphan file"
  case journalSuperblock = "journal superblock"
  case journalDescriptor = "journal descriptor"
  case journalRevoke = "journal revoke"
  case journalCommit = "journal commit"
  case masterBootRecord = "MBR"
  case partitionHeader = "GPT header"
  case partitionEntry = "GPT entry"
}

/// A structure in an image.
public struct MetadataObject: Sendable {
  public let kind: MetadataKind
  /// Which of its kind.
  public let name: String
  /// In bytes from the beginning of the image.
  public let offset: Int
  public let fields: [MetadataField]
}
