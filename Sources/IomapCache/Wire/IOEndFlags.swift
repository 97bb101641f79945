extension IomapWire {
  /// What a completed I/O was (fuse-iomap ABI 3.2, IOEND flags).
  public struct IOEndFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable public static var shared: Self { Self(rawValue: 1 << 0) }
    @inlinable public static var unwritten: Self { Self(rawValue: 1 << 1) }
    @inlinable public static var boundary: Self { Self(rawValue: 1 << 2) }
    @inlinable public static var direct: Self { Self(rawValue: 1 << 3) }
    @inlinable public static var append: Self { Self(rawValue: 1 << 4) }
    @inlinable public static var writeback: Self { Self(rawValue: 1 << 5) }
    @inlinable public static var swapOff: Self { Self(rawValue: 1 << 6) }
  }
}
