/// `flags` of IOCTL and of its reply (FUSE_IOCTL_*).
public struct IoctlFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Of a 32-bit program on a 64-bit kernel. Since 7.11.
  @inlinable public static var compat: Self { Self(rawValue: 1 << 0) }
  /// Not restricted to what the number says of sizes. Since 7.11.
  @inlinable public static var unrestricted: Self { Self(rawValue: 1 << 1) }
  /// In a reply: the kernel asks again, with other memory. Since 7.11.
  @inlinable public static var retry: Self { Self(rawValue: 1 << 2) }
  /// Since 7.16.
  @inlinable public static var is32Bit: Self { Self(rawValue: 1 << 3) }
  /// On a directory. Since 7.18.
  @inlinable public static var directory: Self { Self(rawValue: 1 << 4) }
  /// Of an x32 program. Since 7.30.
  @inlinable public static var compatX32: Self { Self(rawValue: 1 << 5) }
}
