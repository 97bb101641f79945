/// `release_flags` of RELEASE (FUSE_RELEASE_*).
public struct ReleaseFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// To be treated as FLUSH as well. Since 7.8.
  @inlinable public static var flush: Self { Self(rawValue: 1 << 0) }
  /// Flock(2) locks of `lockOwner` are to be released. Since 7.17.
  @inlinable public static var flockUnlock: Self { Self(rawValue: 1 << 1) }
}
