/// How much memory a volume takes for what it could read from the device again. What is in use, or has changed, is not counted.
public struct CacheSizes: Sendable, Equatable {
  /// Bytes of metadata blocks.
  let blocks: Int
  /// Inodes.
  let inodes: Int
  /// Mappings, of all files together; those of one file are at most half as many.
  let mappings: Int

  /// Bytes.
  public static let allowed = 1 << 20...Int64(2) << 30
  public static let standard = CacheSizes(total: 64 << 20)

  /// `total`: bytes, within `allowed`.
  public init(total: Int64) {
    let total = Int(total)
    blocks = total / 2
    inodes = total / 4 / Self.inodeBytes
    mappings = total / 4 / Self.mappingBytes
  }

  /// About what an inode takes, with its on-disk form and its locks.
  private static let inodeBytes = 1024
  private static let mappingBytes = 32
}
