/// `fsync_flags` of FSYNC and FSYNCDIR (FUSE_FSYNC_*).
public struct SynchronizationFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Data only, as fdatasync(2).
  @inlinable public static var dataOnly: Self { Self(rawValue: 1 << 0) }
}
