import SystemPackage

/// Why the kernel refuses a mapping, one case a rule (fuse-iomap ABI 4.3.2 and 5.3).
public enum MappingFlaw: Error, Hashable, Sendable {
  /// Rule 1: a type that does not exist.
  case unknownKind(UInt16)
  /// Rule 2: RETRY_CACHE for an inode for which no UPSERT has succeeded.
  case retryWithoutCache
  /// RETRY_CACHE as a write half, where it would be taken for a hole (fuse-iomap ABI 3.2). The kernel does
  /// not notice.
  case retryForWrites
  /// RETRY_CACHE in an UPSERT.
  case retryInUpsert
  /// Rule 3: flags that are not for a server to send.
  case unsendableFlags
  /// Rule 4: length 0.
  case empty
  /// Rule 4: the offset is not a multiple of the block size.
  case misalignedOffset
  /// Rule 4: the length is not a multiple of the block size.
  case misalignedLength
  /// Rule 4: offset and length do not fit into 64 bits together.
  case endOverflow
  /// Rule 5: begins at or behind the largest file size.
  case beyondMaximumBytes
  /// Rule 6: blocks without a device.
  case noDevice
  /// Rule 6: blocks without an address.
  case noAddress
  /// Rule 6: a device, but no blocks.
  case needlessDevice
  /// Rule 6: an address, but no blocks.
  case needlessAddress
  /// Rule 6: PURE_OVERWRITE as a read half.
  case pureOverwriteForReads
  /// Rule 7: address and length do not fit into 64 bits together.
  case addressOverflow
  /// Rule 8: NOCACHE in a reply.
  case noCacheInReply
  /// Rule 9: does not cover the position that was asked for.
  case notCovering
  /// The device has not been registered.
  case unknownDevice
  /// In an UPSERT: a device, but no place on it.
  case deviceWithoutAddress
  /// In an UPSERT: a place, but no device that it is on.
  case addressWithoutDevice
  /// In an UPSERT: ends behind the end of the device.
  case beyondDevice
  /// In an UPSERT: the device has lost its size, and is gone.
  case deviceGone

  /// What the caller of the kernel gets to see: EUCLEAN, except that v7 gives EINVAL for a device that is gone.
  public func errno(for revision: IomapRevision) -> Errno {
    self == .deviceGone && revision == .v7 ? .invalidArgument : Self.corrupted
  }

  /// EUCLEAN, which SystemPackage has no name for.
  private static var corrupted: Errno { Errno(rawValue: 117) }
}
