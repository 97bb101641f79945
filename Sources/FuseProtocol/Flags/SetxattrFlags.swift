/// `setxattr_flags` of the longer SETXATTR (FUSE_SETXATTR_*). Since 7.33.
public struct SetxattrFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The server removes the set-group-id bit when it stores the ACL.
  @inlinable public static var aclKillsSetGroupID: Self { Self(rawValue: 1 << 0) }
}
