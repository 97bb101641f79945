/// What the kernel knows when it judges a mapping.
public struct MappingLimits: Hashable, Sendable {
  /// Of the file system, in bytes: a power of two.
  public var blockSize: UInt32
  /// The largest file, in bytes.
  public var maximumBytes: UInt64

  @inlinable
  public init(blockSize: UInt32, maximumBytes: UInt64) {
    self.blockSize = blockSize
    self.maximumBytes = maximumBytes
  }

  func isAligned(_ bytes: UInt64) -> Bool { bytes & (UInt64(blockSize) - 1) == 0 }
}
