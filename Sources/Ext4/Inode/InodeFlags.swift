/// `i_flags` (fs/ext4/ext4.h, EXT4_*_FL).
public struct InodeFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let synchronous = InodeFlags(rawValue: 0x0000_0008)
  public static let immutable = InodeFlags(rawValue: 0x0000_0010)
  public static let appendOnly = InodeFlags(rawValue: 0x0000_0020)
  public static let noDump = InodeFlags(rawValue: 0x0000_0040)
  public static let noAccessTime = InodeFlags(rawValue: 0x0000_0080)
  public static let encrypted = InodeFlags(rawValue: 0x0000_0800)
  /// A directory with a hash index (htree).
  public static let indexed = InodeFlags(rawValue: 0x0000_1000)
  public static let journalData = InodeFlags(rawValue: 0x0000_4000)
  public static let noTail = InodeFlags(rawValue: 0x0000_8000)
  public static let synchronousDirectory = InodeFlags(rawValue: 0x0001_0000)
  public static let topDirectory = InodeFlags(rawValue: 0x0002_0000)
  /// `i_blocks` counts file system blocks instead of 512-byte sectors.
  public static let hugeFile = InodeFlags(rawValue: 0x0004_0000)
  public static let extents = InodeFlags(rawValue: 0x0008_0000)
  public static let verity = InodeFlags(rawValue: 0x0010_0000)
  /// The inode holds the value of an extended attribute.
  public static let attributeValue = InodeFlags(rawValue: 0x0020_0000)
  /// The file's owner would have it mapped without the page cache. Nothing follows from it here, but it is kept.
  public static let directAccess = InodeFlags(rawValue: 0x0200_0000)
  public static let inlineData = InodeFlags(rawValue: 0x1000_0000)
  public static let inheritProject = InodeFlags(rawValue: 0x2000_0000)
  public static let casefold = InodeFlags(rawValue: 0x4000_0000)

  /// What a new inode takes over from its directory (EXT4_FL_INHERITED).
  static let inherited: InodeFlags = [
    .synchronous, .noDump, .noAccessTime, .journalData, .noTail, .synchronousDirectory,
    .inheritProject, .directAccess,
    InodeFlags(rawValue: 0x0000_0001 | 0x0000_0002 | 0x0000_0004 | 0x0000_0400),
  ]
  /// What a regular file may carry (EXT4_REG_FLMASK).
  static let regularFileMask = InodeFlags(
    rawValue:
      ~(InodeFlags([.synchronousDirectory, .topDirectory, .casefold, .inheritProject])
      .rawValue))
  /// What neither a file nor a directory may carry (EXT4_OTHER_FLMASK): the only ones allowed.
  static let otherMask: InodeFlags = [.noDump, .noAccessTime]
}
