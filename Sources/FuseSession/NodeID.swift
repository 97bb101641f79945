/// How the kernel names a file: what the server gave it in an entry. The root is 1.
public struct NodeID: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ number: UInt64) { rawValue = number }

  /// FUSE_ROOT_ID.
  public static let root = NodeID(1)
}

/// Who makes a request. Meaningless in writes that the kernel makes from its cache.
public struct Caller: Sendable {
  public var userID: UInt32
  public var groupID: UInt32
  public var umask: UInt16
}
