/// The feature words of the superblock (fs/ext4/ext4.h, EXT4_FEATURE_*).
public struct Features: Sendable {
  public struct Compatible: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let hasJournal = Self(rawValue: 0x0004)
    public static let extendedAttributes = Self(rawValue: 0x0008)
    public static let resizeInode = Self(rawValue: 0x0010)
    public static let directoryIndex = Self(rawValue: 0x0020)
    public static let fastCommit = Self(rawValue: 0x0400)
    public static let orphanFile = Self(rawValue: 0x1000)
  }

  public struct Incompatible: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let compression = Self(rawValue: 0x0001)
    public static let fileType = Self(rawValue: 0x0002)
    public static let needsRecovery = Self(rawValue: 0x0004)
    public static let journalDevice = Self(rawValue: 0x0008)
    public static let metaBlockGroups = Self(rawValue: 0x0010)
    public static let extents = Self(rawValue: 0x0040)
    public static let wideBlockNumbers = Self(rawValue: 0x0080)
    public static let multipleMountProtection = Self(rawValue: 0x0100)
    public static let flexibleGroups = Self(rawValue: 0x0200)
    public static let attributeInodes = Self(rawValue: 0x0400)
    public static let directoryData = Self(rawValue: 0x1000)
    public static let checksumSeed = Self(rawValue: 0x2000)
    public static let largeDirectory = Self(rawValue: 0x4000)
    public static let inlineData = Self(rawValue: 0x8000)
    public static let encryption = Self(rawValue: 0x10000)
    public static let casefold = Self(rawValue: 0x20000)

    /// What this implementation reads and writes.
    static let supported: Self = [
      .fileType, .needsRecovery, .metaBlockGroups, .extents, .wideBlockNumbers, .flexibleGroups,
      .attributeInodes, .checksumSeed, .largeDirectory, .inlineData,
    ]
    /// What is harmless to a file system that is only read.
    static let supportedReadOnly: Self = supported.union(.multipleMountProtection)

    static let names: [(Self, String)] = [
      (.compression, "compression"), (.journalDevice, "journal_dev"),
      (.multipleMountProtection, "mmp"), (.directoryData, "dirdata"),
      (.encryption, "encrypt"), (.casefold, "casefold"),
    ]
  }

  public struct ReadOnlyCompatible: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let sparseSuperblocks = Self(rawValue: 0x0001)
    public static let largeFile = Self(rawValue: 0x0002)
    public static let hugeFile = Self(rawValue: 0x0008)
    public static let groupChecksums = Self(rawValue: 0x0010)
    public static let manySubdirectories = Self(rawValue: 0x0020)
    public static let extraInodeSize = Self(rawValue: 0x0040)
    public static let snapshots = Self(rawValue: 0x0080)
    public static let quota = Self(rawValue: 0x0100)
    public static let clusters = Self(rawValue: 0x0200)
    public static let metadataChecksums = Self(rawValue: 0x0400)
    public static let replica = Self(rawValue: 0x0800)
    public static let readOnly = Self(rawValue: 0x1000)
    public static let project = Self(rawValue: 0x2000)
    public static let sharedBlocks = Self(rawValue: 0x4000)
    public static let verity = Self(rawValue: 0x8000)
    public static let orphansPresent = Self(rawValue: 0x10000)

    /// What this implementation keeps right when it writes.
    static let supported: Self = [
      .sparseSuperblocks, .largeFile, .hugeFile, .groupChecksums, .manySubdirectories,
      .extraInodeSize, .metadataChecksums, .project, .orphansPresent,
    ]

    static let names: [(Self, String)] = [
      (.snapshots, "has_snapshot"), (.quota, "quota"), (.clusters, "bigalloc"),
      (.replica, "replica"), (.readOnly, "read-only"), (.sharedBlocks, "shared_blocks"),
      (.verity, "verity"),
    ]
  }

  public var compatible: Compatible
  public var incompatible: Incompatible
  public var readOnlyCompatible: ReadOnlyCompatible

  /// The names of the features that keep this file system from being mounted, as mke2fs(8) spells them.
  func unsupported(forWriting: Bool) -> [String] {
    let supported = forWriting ? Incompatible.supported : .supportedReadOnly
    var names = Self.names(
      of: incompatible.subtracting(supported), in: Incompatible.names, kind: "I")
    if forWriting {
      names += Self.names(
        of: readOnlyCompatible.subtracting(.supported), in: ReadOnlyCompatible.names, kind: "R")
    }
    return names
  }

  private static func names<Flags: OptionSet>(
    of set: Flags, in table: [(Flags, String)], kind: String
  ) -> [String] where Flags.RawValue == UInt32 {
    (0..<32).compactMap { bit -> String? in
      let value: UInt32 = 1 << UInt32(bit)
      guard set.rawValue & value != 0 else { return nil }
      return table.first { $0.0.rawValue == value }?.1 ?? "FEATURE_\(kind)\(bit)"
    }
  }
}
