/// A byte position in a file. At most `Int64.max`, the limit of `off_t`.
public struct FileOffset: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ bytes: UInt64) { rawValue = bytes }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public static func + (a: Self, bytes: UInt64) -> Self { Self(a.rawValue + bytes) }
  /// The distance in bytes; traps when `b` lies behind `a`.
  @inlinable public static func - (a: Self, b: Self) -> UInt64 { a.rawValue - b.rawValue }
}

/// A byte position on the device (or in the image) that holds the file system.
public struct DeviceOffset: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ bytes: UInt64) { rawValue = bytes }

  /// No place on any device: what a mapping without blocks has for an address (fuse-iomap ABI 3.2, NULL_ADDR).
  @inlinable public static var null: Self { Self(.max) }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public static func + (a: Self, bytes: UInt64) -> Self { Self(a.rawValue + bytes) }
}
