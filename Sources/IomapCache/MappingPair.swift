/// What a server answers when it is asked for a mapping: one for reads, one for writes.
public struct MappingPair: Hashable, Sendable {
  public var read: Mapping
  public var write: Mapping

  @inlinable
  public init(read: Mapping, write: Mapping) {
    self.read = read
    self.write = write
  }

  /// `read`, for reads and writes alike. The write half repeats offset and length, because both halves of
  /// every reply must cover the position that was asked for (fuse-iomap ABI 4.3.2, rule 9).
  @inlinable
  public static func pureOverwrite(_ read: Mapping) -> MappingPair {
    MappingPair(read: read, write: pseudo(.pureOverwrite, covering: read))
  }

  /// "The answer has been upserted: look into the cache again." `mapping` is what was upserted; it must be
  /// one that the kernel then accepts for the operation, or it asks again without end (fuse-iomap ABI 5.5).
  @inlinable
  public static func retryCache(covering mapping: Mapping) -> MappingPair {
    MappingPair(
      read: pseudo(.retryCache, covering: mapping), write: pseudo(.pureOverwrite, covering: mapping)
    )
  }

  @inlinable
  static func pseudo(_ kind: Mapping.Kind, covering mapping: Mapping) -> Mapping {
    Mapping(offset: mapping.offset, length: mapping.length, address: .null, kind: kind)
  }
}
