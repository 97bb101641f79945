/// Groups of the caller besides that in the header: `struct fuse_supp_groups`. Linux names the one that the parent directory has, if the
/// caller is in it (FUSE_CREATE_SUPP_GROUP). Since 7.38.
public struct SupplementaryGroups: RandomAccessCollection {
  private let ids: UnsafeRawBufferPointer

  /// Nil unless `bytes` holds as many as it says. Padding may follow.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 4 else { return nil }
    let count = Int(bytes.field(0, as: UInt32.self))
    guard count * 4 <= bytes.count - 4 else { return nil }
    ids = UnsafeRawBufferPointer(rebasing: bytes[4..<(4 + count * 4)])
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { ids.count / 4 }

  /// The id of a group. `index` must be one of `indices`.
  public subscript(index: Int) -> UInt32 {
    precondition(indices.contains(index), "there is no such group")
    return ids.field(index * 4)
  }
}
