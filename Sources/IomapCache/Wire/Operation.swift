extension IomapWire {
  /// What the kernel wants a mapping for (fuse-iomap ABI 3.2, operation flags). Nothing of it is a plain
  /// read. Unknown bits are kept, and to be ignored.
  public struct Operation: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable public static var write: Self { Self(rawValue: 1 << 0) }
    @inlinable public static var zero: Self { Self(rawValue: 1 << 1) }
    @inlinable public static var report: Self { Self(rawValue: 1 << 2) }
    @inlinable public static var fault: Self { Self(rawValue: 1 << 3) }
    @inlinable public static var direct: Self { Self(rawValue: 1 << 4) }
    @inlinable public static var noWait: Self { Self(rawValue: 1 << 5) }
    @inlinable public static var overwriteOnly: Self { Self(rawValue: 1 << 6) }
    @inlinable public static var unshare: Self { Self(rawValue: 1 << 7) }
    @inlinable public static var dax: Self { Self(rawValue: 1 << 8) }
    @inlinable public static var atomic: Self { Self(rawValue: 1 << 9) }
    @inlinable public static var dontCache: Self { Self(rawValue: 1 << 10) }
    @inlinable public static var swapFile: Self { Self(rawValue: 1 << 30) }
    @inlinable public static var writeback: Self { Self(rawValue: 1 << 31) }

    /// Any of write, zero, unshare and writeback: the write half of the answer counts.
    @inlinable public var isWriteClass: Bool {
      !isDisjoint(with: [.write, .zero, .unshare, .writeback])
    }
  }
}
