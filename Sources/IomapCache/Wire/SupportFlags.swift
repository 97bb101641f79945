extension IomapWire {
  /// What the kernel can do for the process that calls the ioctl (fuse-iomap ABI 3.2, SUPPORT flags).
  public struct SupportFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64

    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable public static var fileIO: Self { Self(rawValue: 1 << 0) }
    @inlinable public static var atomic: Self { Self(rawValue: 1 << 1) }
  }
}
