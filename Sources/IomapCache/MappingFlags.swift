extension Mapping {
  /// What else is to be known of a mapping (fuse-iomap ABI 3.2, mapping flags).
  public struct Flags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16

    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Freshly allocated with undefined contents: the kernel zeroes what it does not write. Never to be cached.
    @inlinable public static var new: Self { Self(rawValue: 1 << 0) }
    /// Metadata that leads to the data is not yet durable.
    @inlinable public static var dirty: Self { Self(rawValue: 1 << 1) }
    /// Shared with another file: to be copied before it is written.
    @inlinable public static var shared: Self { Self(rawValue: 1 << 2) }
    /// Several records on disk, reported as one.
    @inlinable public static var merged: Self { Self(rawValue: 1 << 3) }
    /// Completions must not merge across the start of the mapping.
    @inlinable public static var boundary: Self { Self(rawValue: 1 << 4) }
    /// A write that has no target yet.
    @inlinable public static var anonymousWrite: Self { Self(rawValue: 1 << 5) }
    /// To be issued as one untorn request. Never to be cached.
    @inlinable public static var atomicBIO: Self { Self(rawValue: 1 << 6) }
    /// Asks for an END call; without effect in either revision (fuse-iomap ABI 10).
    @inlinable public static var wantsEnd: Self { Self(rawValue: 1 << 7) }
    /// The kernel's, in END only: the write raised the size in core.
    @inlinable public static var sizeChanged: Self { Self(rawValue: 1 << 8) }
    /// The kernel's, in END only: the mapping was found stale and will be asked for again.
    @inlinable public static var stale: Self { Self(rawValue: 1 << 9) }

    /// Those that a server may send: bits 0...7.
    @inlinable public static var sendable: Self { Self(rawValue: 0xFF) }
  }
}
