/// A range of a file whose mappings are to be forgotten.
public struct InvalidationRange: Hashable, Sendable {
  /// First byte; a multiple of the block size, and below the largest file size (fuse-iomap ABI 5.4).
  public var offset: FileOffset
  /// Bytes: a multiple of the block size, or `IomapWire.toEndOfFile`. With 0, the kernel ignores the range.
  public var length: UInt64

  @inlinable
  public init(offset: FileOffset, length: UInt64) {
    self.offset = offset
    self.length = length
  }

  /// From `offset` to the end of the largest possible file.
  @inlinable
  public static func toEndOfFile(from offset: FileOffset) -> InvalidationRange {
    InvalidationRange(offset: offset, length: IomapWire.toEndOfFile)
  }

  /// First byte behind the range; `UInt64.max` where it has no end.
  @inlinable public var end: FileOffset {
    let (end, overflow) = offset.rawValue.addingReportingOverflow(length)
    return FileOffset(overflow ? .max : end)
  }
}
