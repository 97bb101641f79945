import SystemPackage

/// Tells the kernel which mappings to remember and which to forget.
///
/// The semantics are those of the patch "libfuse: enable iomap cache management for lowlevel fuse", and
/// device invalidations keep to them: without a session EINVAL, and before protocol 7.99 ENOSYS, with
/// nothing sent in either case. Otherwise whatever the kernel says (fuse-iomap ABI 5.9), of which ESTALE is
/// normal: the inode is not in core, so there is nothing to forget and no place to remember. Errors are
/// returned and counted, and never retried.
///
/// Which inode may be named, and under which lock, is for the caller to know: naming one that is no
/// iomapped regular file corrupts the kernel's memory (fuse-iomap ABI 5.3). Nothing is allocated here.
public final class IomapNotifier: Sendable {
  private let channel: (any IomapNotificationChannel)?
  private let protocolMinor: UInt32
  private let upserts = NotificationTally()
  private let invalidations = NotificationTally()
  private let deviceInvalidations = NotificationTally()

  /// - Parameters:
  ///   - channel: nil when there is no session.
  ///   - protocolMinor: what INIT agreed on.
  public init(channel: (any IomapNotificationChannel)?, protocolMinor: UInt32) {
    self.channel = channel
    self.protocolMinor = protocolMinor
  }

  /// There is a session, and the protocol has the notifications.
  public var isAvailable: Bool { channel != nil && protocolMinor >= IomapWire.protocolMinor }

  /// Has the kernel remember a mapping for reads, for writes, or for both. An absent one goes out as
  /// NOCACHE, which leaves that fork as it is; when both are absent, nothing is sent.
  ///
  /// The kernel applies `read` first, and does not take it back when it then refuses `write`.
  public func upsert(_ node: IomapNode, read: Mapping?, write: Mapping?) throws(Errno) {
    try upserts.count { () throws(Errno) -> Bool in
      let channel = try usableChannel()
      guard read != nil || write != nil else { return false }
      let notification = IomapWire.UpsertNotification(
        node: node, read: read ?? .noCache, write: write ?? .noCache)
      try send(notification, to: channel)
      return true
    }
  }

  /// Has the kernel forget a range for reads, for writes, or for both. An absent one goes out with a length
  /// of 0, which leaves that fork as it is; when both are absent, nothing is sent. A length may be
  /// `IomapWire.toEndOfFile`.
  public func invalidate(
    _ node: IomapNode, read: InvalidationRange?, write: InvalidationRange?
  ) throws(Errno) {
    try invalidations.count { () throws(Errno) -> Bool in
      let channel = try usableChannel()
      guard read != nil || write != nil else { return false }
      try send(
        IomapWire.InvalidationNotification(node: node, read: read, write: write), to: channel)
      return true
    }
  }

  /// Has the kernel forget what it has cached of a device: `length` bytes from `offset` on, in whole
  /// blocks. With a length of 0 nothing is sent, because the kernel would take it for everything
  /// (fuse-iomap ABI 6.4).
  public func invalidateDevice(
    _ device: DeviceCookie, at offset: DeviceOffset, length: UInt64
  ) throws(Errno) {
    try deviceInvalidations.count { () throws(Errno) -> Bool in
      let channel = try usableChannel()
      guard length != 0 else { return false }
      try send(
        IomapWire.DeviceInvalidationNotification(device: device, offset: offset, length: length),
        to: channel)
      return true
    }
  }

  private func usableChannel() throws(Errno) -> any IomapNotificationChannel {
    guard let channel else { throw .invalidArgument }
    guard protocolMinor >= IomapWire.protocolMinor else { throw .noFunction }
    return channel
  }

  private func send(
    _ notification: some IomapWire.Notification, to channel: any IomapNotificationChannel
  ) throws(Errno) {
    try notification.withMessage { (message) throws(Errno) in
      try channel.send(notification: message)
    }
  }
}

extension IomapNotifier {
  /// What has become of all notifications so far. Each number is exact; together they are of about the same
  /// time.
  public struct Counters: Hashable, Sendable {
    public var upserts: NotificationCounts
    public var invalidations: NotificationCounts
    public var deviceInvalidations: NotificationCounts
  }

  public var counters: Counters {
    Counters(
      upserts: upserts.counts, invalidations: invalidations.counts,
      deviceInvalidations: deviceInvalidations.counts)
  }
}
