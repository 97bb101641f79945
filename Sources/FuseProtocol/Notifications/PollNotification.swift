extension Notification {
  /// `struct fuse_notify_poll_wakeup_out`: what a POLL waits for has happened. Since 7.11.
  public struct Poll: NotificationArguments, Hashable, Sendable {
    public static var notificationCode: NotificationCode { .poll }

    /// From the POLL request.
    public var kernelHandle: UInt64

    public init(kernelHandle: UInt64) {
      self.kernelHandle = kernelHandle
    }

    public var payloadSize: Int { 8 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {
      precondition(memory.count >= payloadSize, "the caller gave no room for the notification")
      memory.put(kernelHandle, at: 0)
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count == 8 else { return nil }
      kernelHandle = payload.field(0)
    }
  }
}
