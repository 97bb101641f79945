/// `open_flags` of OPEN, OPENDIR, CREATE and TMPFILE requests (FUSE_OPEN_*). Since 7.33.
public struct OpenRequestFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The server removes set-id bits of the file that is truncated.
  @inlinable public static var killSetID: Self { Self(rawValue: 1 << 0) }
}
