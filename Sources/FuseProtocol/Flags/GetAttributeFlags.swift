/// `getattr_flags` of GETATTR and STATX (FUSE_GETATTR_*). Since 7.9.
public struct GetAttributeFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `handle` counts.
  @inlinable public static var handle: Self { Self(rawValue: 1 << 0) }
}
