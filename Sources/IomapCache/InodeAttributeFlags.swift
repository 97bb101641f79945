/// What the kernel is told of an inode when it first sees it, in `fuse_attr.flags`, whatever the revision
/// (fuse-iomap ABI 3.2, attr flags).
public struct InodeAttributeFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8

  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The kernel manages ACLs, times and mode as it does for local file systems.
  @inlinable public static var exclusive: Self { Self(rawValue: 1 << 0) }
  /// The kernel does the I/O. For v7 it takes `exclusive` with it; for v6 it is what makes an inode
  /// exclusive. To be set for every type of inode, and withheld only from regular files that are not to be
  /// iomapped (fuse-iomap ABI 4.10).
  @inlinable public static var iomap: Self { Self(rawValue: 1 << 1) }
  /// Untorn writes of one block are possible. Only with `iomap`.
  @inlinable public static var atomic: Self { Self(rawValue: 1 << 2) }
  @inlinable public static var synchronous: Self { Self(rawValue: 1 << 3) }
  @inlinable public static var immutable: Self { Self(rawValue: 1 << 4) }
  @inlinable public static var appendOnly: Self { Self(rawValue: 1 << 5) }

  /// The FUSE_ATTR_* bits. `iomap` brings along `exclusive`, without which the kernel would ignore it, and
  /// `atomic` is nothing without `iomap` (fuse-iomap ABI 8.2, I-12). v6 has no bit for `exclusive` alone,
  /// which is lost there.
  @inlinable
  public func encoded(for revision: IomapRevision) -> UInt32 {
    var flags = self
    if flags.contains(.iomap) { flags.insert(.exclusive) } else { flags.remove(.atomic) }
    let bits = UInt32(flags.rawValue) << Self.firstBit
    return switch revision {
    case .v7: bits
    case .v6: (bits & ~(1 << Self.firstBit)) >> 1
    }
  }

  /// What the kernel makes of FUSE_ATTR_* bits: in v7 nothing of IOMAP without EXCLUSIVE, and in both
  /// nothing of ATOMIC without IOMAP.
  public init(encoded bits: UInt32, for revision: IomapRevision) {
    let shift = revision == .v7 ? Self.firstBit : Self.firstBit - 1
    var flags = Self(rawValue: UInt8(truncatingIfNeeded: bits >> shift) & 0x3F)
    switch revision {
    case .v7:
      if !flags.contains(.exclusive) { flags.remove(.iomap) }
    case .v6:
      flags.remove(.exclusive)
      if flags.contains(.iomap) { flags.insert(.exclusive) }
    }
    if !flags.contains(.iomap) { flags.remove(.atomic) }
    self = flags
  }

  /// Below are SUBMOUNT and DAX, of the base protocol. v6 lacks the lowest of ours, and all others are
  /// lower by one.
  @usableFromInline static var firstBit: UInt32 { 2 }
}
