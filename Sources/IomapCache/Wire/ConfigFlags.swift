extension IomapWire {
  /// The fields of a CONFIG reply that the kernel knows, or that are set (fuse-iomap ABI 3.2, CONFIG flags).
  public struct ConfigFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64

    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable public static var identifier: Self { Self(rawValue: 1 << 0) }
    @inlinable public static var uuid: Self { Self(rawValue: 1 << 1) }
    @inlinable public static var blockSize: Self { Self(rawValue: 1 << 2) }
    @inlinable public static var maximumLinks: Self { Self(rawValue: 1 << 3) }
    @inlinable public static var time: Self { Self(rawValue: 1 << 4) }
    @inlinable public static var maximumBytes: Self { Self(rawValue: 1 << 5) }
    /// Only in v7, by which it is recognised.
    @inlinable public static var cacheMaximumBytes: Self { Self(rawValue: 1 << 6) }
  }
}
