/// What a side can or wants to do: `flags`, and from bit 32 on `flags2`, in INIT and in the reply to it.
///
/// The kernel offers; the reply takes. Each flag since the minor that `InitFlags.history` names.
public struct InitFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// From both fields. `flags2` counts only where `flags` has INIT_EXT.
  @inlinable
  public init(flags: UInt32, flags2: UInt32) {
    let low = UInt64(flags)
    rawValue =
      low & InitFlags.extended.rawValue == 0 ? low : low | UInt64(flags2) << 32
  }

  /// The field `flags`.
  @inlinable public var low: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
  /// The field `flags2`.
  @inlinable public var high: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }

  @inlinable static func bit(_ number: UInt64) -> Self { Self(rawValue: 1 << number) }

  /// The kernel may have several reads of a file under way.
  @inlinable public static var asyncRead: Self { bit(0) }
  @inlinable public static var posixLocks: Self { bit(1) }
  @inlinable public static var fileOps: Self { bit(2) }
  /// OPEN with O_TRUNC truncates.
  @inlinable public static var atomicTruncate: Self { bit(3) }
  /// LOOKUP of "." and ".." works.
  @inlinable public static var exportSupport: Self { bit(4) }
  /// Writes may be larger than 4 KiB.
  @inlinable public static var bigWrites: Self { bit(5) }
  /// The server applies the umask.
  @inlinable public static var dontMask: Self { bit(6) }
  @inlinable public static var spliceWrite: Self { bit(7) }
  @inlinable public static var spliceMove: Self { bit(8) }
  @inlinable public static var spliceRead: Self { bit(9) }
  @inlinable public static var flockLocks: Self { bit(10) }
  /// Ioctls on directories reach the server.
  @inlinable public static var ioctlDirectory: Self { bit(11) }
  /// A change of time or size drops cached pages.
  @inlinable public static var autoInvalidateData: Self { bit(12) }
  @inlinable public static var readdirplus: Self { bit(13) }
  /// READDIRPLUS only where attributes are of use.
  @inlinable public static var readdirplusAuto: Self { bit(14) }
  /// Direct I/O may be asynchronous.
  @inlinable public static var asyncDirectIO: Self { bit(15) }
  @inlinable public static var writebackCache: Self { bit(16) }
  /// ENOSYS to OPEN means that no OPEN comes any more.
  @inlinable public static var noOpenSupport: Self { bit(17) }
  /// Look-ups and listings of a directory may come side by side.
  @inlinable public static var parallelDirectoryOperations: Self { bit(18) }
  @inlinable public static var handleKillPrivileges: Self { bit(19) }
  @inlinable public static var posixACL: Self { bit(20) }
  /// Reading the device after an abort gives ECONNABORTED.
  @inlinable public static var abortError: Self { bit(21) }
  /// `maximumPages` of the reply counts.
  @inlinable public static var maximumPages: Self { bit(22) }
  @inlinable public static var cacheSymlinks: Self { bit(23) }
  /// ENOSYS to OPENDIR means that no OPENDIR comes any more.
  @inlinable public static var noOpendirSupport: Self { bit(24) }
  /// Cached pages are dropped only when the server says so.
  @inlinable public static var explicitInvalidateData: Self { bit(25) }
  /// `mapAlignment` of the reply counts.
  @inlinable public static var mapAlignment: Self { bit(26) }
  @inlinable public static var submounts: Self { bit(27) }
  /// The server removes set-id bits and capabilities, and only where the kernel says so.
  @inlinable public static var handleKillPrivilegesV2: Self { bit(28) }
  /// SETXATTR has the longer structure.
  @inlinable public static var setxattrExtension: Self { bit(29) }
  /// INIT has `flags2`.
  @inlinable public static var extended: Self { bit(30) }
  /// Requests that make files tell security contexts.
  @inlinable public static var securityContext: Self { bit(32) }
  @inlinable public static var inodeDAX: Self { bit(33) }
  /// Requests that make files tell a supplementary group.
  @inlinable public static var createSupplementaryGroup: Self { bit(34) }
  /// The kernel knows FUSE_EXPIRE_ONLY.
  @inlinable public static var expireOnly: Self { bit(35) }
  @inlinable public static var directIOAllowsMmap: Self { bit(36) }
  /// `maximumStackDepth` of the reply counts.
  @inlinable public static var passthrough: Self { bit(37) }
  @inlinable public static var noExportSupport: Self { bit(38) }
  /// The kernel knows the RESEND notification.
  @inlinable public static var resend: Self { bit(39) }
  /// The mount may be given other ids.
  @inlinable public static var allowIDMapping: Self { bit(40) }
  @inlinable public static var overIOUring: Self { bit(41) }
  /// `requestTimeout` of the reply counts.
  @inlinable public static var requestTimeout: Self { bit(42) }
  /// Bit 43, which has two meanings: iomap at minor 99 (fuse-iomap ABI 2.4), and FUSE_HAS_IO_URING_BUFPOOL in Linux 7.3. Ask
  /// `hasIomap(minor:)` and `hasIOUringBufferPool(minor:)`.
  @inlinable public static var iomapOrBufferPool: Self { bit(43) }

  /// Whether a side that named `minor` means iomap.
  @inlinable
  public func hasIomap(minor: UInt32) -> Bool {
    minor == Self.iomapMinor && contains([.extended, .iomapOrBufferPool])
  }

  /// Whether a side that named `minor` means pools of buffers for FUSE over io_uring.
  @inlinable
  public func hasIOUringBufferPool(minor: UInt32) -> Bool {
    minor != Self.iomapMinor && contains([.extended, .iomapOrBufferPool])
  }

  /// The minor that kernels with iomap name: a placeholder until the extension is merged (fuse-iomap ABI 10).
  @inlinable public static var iomapMinor: UInt32 { 99 }
}
