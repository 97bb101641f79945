extension IomapWire {
  /// What the kernel refuses in a CONFIG reply, and the mount with it (fuse-iomap ABI 4.2). All of it is
  /// EINVAL.
  public enum ConfigFlaw: Error, Hashable, Sendable {
    /// More bytes than the revision's structure has.
    case tooLong
    /// Flags that the kernel does not know.
    case unknownFlags
    /// More than 16 bytes of UUID.
    case longUUID
    /// `s_pad` is not zero.
    case padding
    /// The least time lies behind the greatest.
    case timeRange
  }
}
