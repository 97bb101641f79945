/// The number by which the kernel knows a device that was registered with the connection.
///
/// 1...1024, as FUSE_DEV_IOC_BACKING_OPEN returned it (fuse-iomap ABI 3.4.12), or `none`.
public struct DeviceCookie: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// No device (DEV_NULL): what a mapping has that leads to no blocks.
  @inlinable public static var none: Self { Self(rawValue: 0) }
}
