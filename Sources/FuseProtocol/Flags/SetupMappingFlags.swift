/// `flags` of SETUPMAPPING (FUSE_SETUPMAPPING_FLAG_*). Since 7.31.
public struct SetupMappingFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

  @inlinable public static var write: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var read: Self { Self(rawValue: 1 << 1) }
}
