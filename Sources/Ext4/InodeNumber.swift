/// The number of an inode; 1 to `s_inodes_count`.
public struct InodeNumber: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable public init(_ number: UInt32) { rawValue = number }

  /// The root directory (EXT2_ROOT_INO).
  public static let root = InodeNumber(2)
  /// The journal, unless it is an ordinary file (EXT2_JOURNAL_INO).
  static let journal = InodeNumber(8)

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension InodeNumber: CustomStringConvertible {
  public var description: String { String(rawValue) }
}

/// A block of a file, counted in file system blocks from its start.
public struct LogicalBlock: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable public init(_ number: UInt32) { rawValue = number }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
