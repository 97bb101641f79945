/// Where a range of a file's bytes lives.
///
/// A file is a list of mappings. The side that does the I/O follows a cached copy of that list; the side that changes the list
/// invalidates the copies.
///
/// A value may come from elsewhere and make no sense: nothing here traps on it. `validate` tells.
public struct Mapping: Hashable, Sendable {
  /// By the numbers of the protocol (fuse-iomap ABI 3.2, mapping type).
  public enum Kind: UInt16, Hashable, Sendable, CaseIterable {
    /// Nothing is allocated: reads give zeros.
    case hole = 0
    /// Space is reserved, but not yet any blocks. ext4 under iomap never has it.
    case delalloc = 1
    /// Allocated and holding the file's data.
    case mapped = 2
    /// Allocated, but never written: reads give zeros, a write must convert it first.
    case unwritten = 3
    /// The data lies within the metadata and travels by FUSE_READ and FUSE_WRITE.
    case inline = 4
    /// In an UPSERT only: leave this fork alone.
    case noCache = 253
    /// As the read half of a BEGIN reply only: the answer is in the cache, look again.
    case retryCache = 254
    /// As a write half only: writes go where reads come from.
    case pureOverwrite = 255

    /// The mapping leads to blocks on a device.
    @inlinable public var hasBlocks: Bool { self == .mapped || self == .unwritten }
  }

  /// First byte of the file that the mapping covers.
  public var offset: FileOffset
  /// Bytes covered; never zero, except for a `noCache`.
  public var length: UInt64
  /// Where `offset` lives, in bytes; without meaning for a kind that has no blocks, where it is best `null`.
  public var address: DeviceOffset
  public var kind: Kind
  public var flags: Flags
  /// The device that `address` is a place on, or `none`.
  public var device: DeviceCookie

  @inlinable
  public init(
    offset: FileOffset, length: UInt64, address: DeviceOffset, kind: Kind, flags: Flags,
    device: DeviceCookie
  ) {
    self.offset = offset
    self.length = length
    self.address = address
    self.kind = kind
    self.flags = flags
    self.device = device
  }

  @inlinable
  public init(offset: FileOffset, length: UInt64, address: DeviceOffset, kind: Kind) {
    self.init(
      offset: offset, length: length, address: address, kind: kind, flags: [], device: .none)
  }

  @inlinable
  public static func hole(at offset: FileOffset, length: UInt64) -> Mapping {
    Mapping(offset: offset, length: length, address: .null, kind: .hole)
  }

  /// The half of an UPSERT that changes nothing. All of its fields but the kind are ignored, and zero
  /// (libfuse: enable iomap cache management for lowlevel fuse).
  @inlinable public static var noCache: Mapping {
    Mapping(offset: FileOffset(0), length: 0, address: DeviceOffset(0), kind: .noCache)
  }

  /// First byte of the file behind the mapping; `UInt64.max` where there can be none.
  @inlinable public var end: FileOffset {
    let (end, overflow) = offset.rawValue.addingReportingOverflow(length)
    return FileOffset(overflow ? .max : end)
  }

  /// True where `position` lies within the mapping.
  @inlinable
  public func covers(_ position: FileOffset) -> Bool {
    position >= offset && position.rawValue - offset.rawValue < length
  }

  /// The device position of `position`, which must lie within the mapping. Without meaning where there are
  /// no blocks.
  @inlinable
  public func address(of position: FileOffset) -> DeviceOffset {
    guard kind.hasBlocks else { return address }
    return DeviceOffset(address.rawValue &+ (position - offset))
  }

  /// The part of the mapping within [`start`, `end`), which must overlap it.
  @inlinable
  public func clipped(from start: FileOffset, to end: FileOffset) -> Mapping {
    let first = max(start, offset)
    let last = min(end, self.end)
    return Mapping(
      offset: first, length: last - first, address: address(of: first), kind: kind, flags: flags,
      device: device)
  }

  /// True where `next` continues this mapping in the file, and on the device if there are blocks, and is
  /// alike in kind, flags and device: the kernel merges the same (fuse-iomap ABI 5.3).
  @inlinable
  public func isContinued(by next: Mapping) -> Bool {
    end == next.offset && kind == next.kind && flags == next.flags && device == next.device
      && (!kind.hasBlocks || address.rawValue &+ length == next.address.rawValue)
  }
}
