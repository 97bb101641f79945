/// How the kernel names a file: what the server gave it in an entry. The root is 1.
public struct NodeID: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ number: UInt64) { rawValue = number }

  /// FUSE_ROOT_ID.
  public static let root = NodeID(1)
}
