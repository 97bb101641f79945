/// `read_flags` of READ (FUSE_READ_*). Since 7.9.
public struct ReadFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `lockOwner` counts.
  @inlinable public static var lockOwner: Self { Self(rawValue: 1 << 1) }
}
