/// `open_flags` of the reply to OPEN, OPENDIR, CREATE and TMPFILE (FOPEN_*).
public struct OpenReplyFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Past the page cache. Since 7.2.
  @inlinable public static var directIO: Self { Self(rawValue: 1 << 0) }
  /// What is cached stays valid. Since 7.2.
  @inlinable public static var keepCache: Self { Self(rawValue: 1 << 1) }
  /// Since 7.10.
  @inlinable public static var nonSeekable: Self { Self(rawValue: 1 << 2) }
  /// The kernel may keep the listing of the directory. Since 7.28.
  @inlinable public static var cacheDirectory: Self { Self(rawValue: 1 << 3) }
  /// No position in the file. Since 7.31.
  @inlinable public static var stream: Self { Self(rawValue: 1 << 4) }
  /// No FLUSH on close, unless there is a write-back cache. Since 7.35.
  @inlinable public static var noFlush: Self { Self(rawValue: 1 << 5) }
  /// Direct writes to one file may come side by side. Since 7.38.
  @inlinable public static var parallelDirectWrites: Self { Self(rawValue: 1 << 6) }
  /// The kernel reads and writes the file that `backingID` names. Since 7.40.
  @inlinable public static var passthrough: Self { Self(rawValue: 1 << 7) }
}
