extension IomapWire {
  /// Requests to the FUSE device itself (fuse-iomap ABI 2.2).
  public enum Ioctl: Hashable, Sendable, CaseIterable {
    /// FUSE_DEV_IOC_IOMAP_SUPPORT, filling a `Support`.
    case iomapSupport
    /// FUSE_DEV_IOC_SET_NOFS, with a pointer to a u32 of 0 or 1. On a mounted descriptor only.
    case setNoFS
    /// FUSE_DEV_IOC_ADD_IOMAP, without an argument.
    case addIomap
    /// FUSE_DEV_IOC_IOMAP_SET_BLOCKSIZE, with a `BackingInfo`.
    case setBlockSize
    /// FUSE_DEV_IOC_BACKING_OPEN, with a `BackingMap`; returns the cookie.
    case backingOpen
    /// FUSE_DEV_IOC_BACKING_CLOSE, with a pointer to the cookie; EBUSY until the file system is unmounted.
    case backingClose

    /// The number, or nil where the revision has no such request. Those of `iomapSupport`, `backingOpen`
    /// and `backingClose` are the same in both.
    public func number(for revision: IomapRevision) -> UInt? {
      switch (self, revision) {
      case (.iomapSupport, _): Self.encode(.read, 99, size: Support.size)
      case (.setNoFS, .v6): nil
      case (.setNoFS, .v7): Self.encode(.write, 100, size: 4)
      case (.addIomap, .v6): Self.encode(.none, 99, size: 0)
      case (.addIomap, .v7): Self.encode(.none, 101, size: 0)
      case (.setBlockSize, .v6): Self.encode(.write, 99, size: BackingInfo.size)
      case (.setBlockSize, .v7): Self.encode(.write, 102, size: BackingInfo.size)
      case (.backingOpen, _): Self.encode(.write, 1, size: BackingMap.size)
      case (.backingClose, _): Self.encode(.write, 2, size: 4)
      }
    }

    private enum Direction: UInt {
      case none = 0
      case write = 1
      case read = 2
    }

    /// `_IOC` as it is for most processors, x86-64 and arm64 among them, with the magic number of FUSE.
    private static func encode(_ direction: Direction, _ number: UInt, size: Int) -> UInt {
      direction.rawValue << 30 | UInt(size) << 16 | 229 << 8 | number
    }
  }
}
