/// `write_flags` of WRITE (FUSE_WRITE_*).
public struct WriteFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// From the page cache, some time after the program wrote: the handle is a guess.
  @inlinable public static var cache: Self { Self(rawValue: 1 << 0) }
  /// `lockOwner` counts. Since 7.9.
  @inlinable public static var lockOwner: Self { Self(rawValue: 1 << 1) }
  /// The server removes set-id bits (FUSE_WRITE_KILL_SUIDGID). Since 7.31.
  @inlinable public static var killSetID: Self { Self(rawValue: 1 << 2) }
}
