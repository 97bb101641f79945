/// What a server tells the kernel without being asked: `enum fuse_notify_code`, and the codes of the iomap extension (fuse-iomap ABI 3.1).
public enum NotificationCode: Int32, Hashable, Sendable, CaseIterable {
  case poll = 1
  case invalidateInode = 2
  case invalidateEntry = 3
  case store = 4
  case retrieve = 5
  case delete = 6
  case resend = 7
  case incrementEpoch = 8
  case prune = 9
  case iomapDeviceInvalidation = 99
  case iomapUpsert = 100
  case iomapInvalidation = 101

  /// The minor that brought it.
  public var since: UInt32 {
    switch self {
    case .poll: 11
    case .invalidateInode, .invalidateEntry: 12
    case .store, .retrieve: 15
    case .delete: 18
    case .resend: 40
    case .incrementEpoch: 44
    case .prune: 45
    case .iomapDeviceInvalidation, .iomapUpsert, .iomapInvalidation: InitFlags.iomapMinor
    }
  }

  /// The word of the protocol, without its prefix.
  public var name: String {
    switch self {
    case .poll: "POLL"
    case .invalidateInode: "INVAL_INODE"
    case .invalidateEntry: "INVAL_ENTRY"
    case .store: "STORE"
    case .retrieve: "RETRIEVE"
    case .delete: "DELETE"
    case .resend: "RESEND"
    case .incrementEpoch: "INC_EPOCH"
    case .prune: "PRUNE"
    case .iomapDeviceInvalidation: "IOMAP_DEV_INVAL"
    case .iomapUpsert: "IOMAP_UPSERT_MAPPINGS"
    case .iomapInvalidation: "IOMAP_INVAL_MAPPINGS"
    }
  }
}
