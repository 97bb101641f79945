extension IomapWire {
  /// Notifications of the extension (fuse-iomap ABI 3.1).
  public enum NotificationCode: Int32, Hashable, Sendable, CaseIterable {
    /// IOMAP_DEV_INVAL: cached contents of a device are no longer true.
    case deviceInvalidation = 99
    /// IOMAP_UPSERT_MAPPINGS (v6: IOMAP_UPSERT).
    case upsert = 100
    /// IOMAP_INVAL_MAPPINGS (v6: IOMAP_INVAL).
    case invalidation = 101
  }
}
