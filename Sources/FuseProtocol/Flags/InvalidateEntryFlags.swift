/// `flags` of the INVAL_ENTRY notification. Since 7.38.
public struct InvalidateEntryFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The name is looked up again when it is next used, and not taken from trees that are in use (FUSE_EXPIRE_ONLY).
  @inlinable public static var expireOnly: Self { Self(rawValue: 1 << 0) }
}
