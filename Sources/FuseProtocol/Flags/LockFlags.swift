/// `lk_flags` of GETLK, SETLK and SETLKW (FUSE_LK_*). Since 7.9.
public struct LockFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A lock of flock(2).
  @inlinable public static var flock: Self { Self(rawValue: 1 << 0) }
}
