/// `flags` of POLL (FUSE_POLL_*). Since 7.11.
public struct PollFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A POLL notification is wanted when something happens.
  @inlinable public static var scheduleNotify: Self { Self(rawValue: 1 << 0) }
}
