/// Where a range of a file's bytes lives.
///
/// A file is a list of mappings; whoever does the I/O follows a cached copy of that list, and whoever
/// changes the list invalidates the copies.
public struct Mapping: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// Nothing is allocated: reads give zeros.
    case hole
    /// Allocated and holding the file's data.
    case mapped
    /// Allocated, but never written: reads give zeros, a write must convert it first.
    case unwritten
  }

  /// First byte of the file that the mapping covers.
  public var offset: FileOffset
  /// Bytes covered; never zero.
  public var length: UInt64
  /// Where `offset` lives; without meaning for a hole.
  public var address: DeviceOffset
  public var kind: Kind

  @inlinable
  public init(offset: FileOffset, length: UInt64, address: DeviceOffset, kind: Kind) {
    self.offset = offset
    self.length = length
    self.address = address
    self.kind = kind
  }

  @inlinable
  public static func hole(at offset: FileOffset, length: UInt64) -> Mapping {
    Mapping(offset: offset, length: length, address: DeviceOffset(0), kind: .hole)
  }

  /// First byte of the file behind the mapping.
  @inlinable public var end: FileOffset { offset + length }

  /// The device position of `position`, which must lie within the mapping.
  @inlinable
  public func address(of position: FileOffset) -> DeviceOffset {
    address + (position - offset)
  }

  /// The part of the mapping within [`start`, `end`), which must overlap it.
  @inlinable
  public func clipped(from start: FileOffset, to end: FileOffset) -> Mapping {
    let first = max(start, offset)
    let last = min(end, self.end)
    return Mapping(
      offset: first, length: last - first,
      address: kind == .hole ? address : address(of: first), kind: kind)
  }

  /// True where `next` continues this mapping in the file and on the device, and is of its kind.
  @inlinable
  public func isContinued(by next: Mapping) -> Bool {
    end == next.offset && kind == next.kind
      && (kind == .hole || address + length == next.address)
  }
}
