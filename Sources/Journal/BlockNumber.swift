/// A physical block of the file system, counted in file system blocks from its start.
public struct BlockNumber: RawRepresentable, Hashable, Comparable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ number: UInt64) { rawValue = number }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public static func + (a: Self, count: UInt64) -> Self { Self(a.rawValue + count) }
}

extension BlockNumber: CustomStringConvertible {
  public var description: String { String(rawValue) }
}
