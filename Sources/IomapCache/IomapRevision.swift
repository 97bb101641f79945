/// Which posting of the extension the kernel speaks. All that differs is data, here and in
/// `InodeAttributeFlags` and `IomapWire.Ioctl` (fuse-iomap ABI 2.6).
public enum IomapRevision: Sendable, Hashable, CaseIterable {
  /// The series of 28 October 2025.
  case v6
  /// The series of 23 February 2026.
  case v7

  /// What the `flags` of the FUSE_IOMAP_CONFIG request tell: v7 with bit 6, v6 without. Nil with any bit
  /// above, from a kernel of another revision: then no attribute flags may be sent at all (fuse-iomap ABI
  /// 2.6).
  public static func detect(configFlags: UInt64) -> IomapRevision? {
    guard configFlags >> 7 == 0 else { return nil }
    return configFlags & IomapWire.ConfigFlags.cacheMaximumBytes.rawValue != 0 ? .v7 : .v6
  }

  /// The `flags` of the kernel's FUSE_IOMAP_CONFIG request.
  @inlinable public var configFlags: IomapWire.ConfigFlags {
    IomapWire.ConfigFlags(rawValue: self == .v7 ? 0x7F : 0x3F)
  }

  /// Payload of an IOEND request, in bytes (fuse-iomap ABI 3.4.6).
  @inlinable public var ioEndRequestSize: Int { self == .v7 ? 48 : 40 }

  /// Payload of an IOEND reply without error, in bytes (fuse-iomap ABI 3.1).
  @inlinable public var ioEndReplySize: Int { self == .v7 ? 8 : 0 }

  /// The largest payload of a CONFIG reply, in bytes (fuse-iomap ABI 3.1).
  @inlinable public var configReplyMaximumSize: Int { self == .v7 ? 104 : 96 }

  /// The kernel limits a file's cached mappings, and lets CONFIG say to how many bytes a fork; and it keeps
  /// them when the file is closed.
  @inlinable public var limitsCache: Bool { self == .v7 }

  /// Buffered appends arrive as IOEND with APPEND. Otherwise END with SIZE_CHANGED is all there is
  /// (fuse-iomap ABI 4.4).
  @inlinable public var reportsAppendsAtIOEnd: Bool { self == .v7 }

  /// SET_NOFS must be called. Otherwise the kernel does that to the thread that answers CONFIG (fuse-iomap
  /// ABI 2.2).
  @inlinable public var needsSetNoFS: Bool { self == .v7 }

  /// Whether a RETRY_CACHE reply is refused for an inode for which no UPSERT has succeeded (fuse-iomap ABI
  /// 4.3.2, rule 2).
  @inlinable public var refusesRetryWithoutCache: Bool { self == .v7 }
}
