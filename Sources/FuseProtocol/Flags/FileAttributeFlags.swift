/// `flags` of `struct fuse_attr` (FUSE_ATTR_*). Kernels with iomap have more (`InodeAttributeFlags` in IomapCache).
public struct FileAttributeFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The root of a mount of its own. Since 7.32.
  @inlinable public static var submount: Self { Self(rawValue: 1 << 0) }
  /// Since 7.36.
  @inlinable public static var dax: Self { Self(rawValue: 1 << 1) }
}
