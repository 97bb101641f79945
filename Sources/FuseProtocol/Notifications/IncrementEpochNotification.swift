extension Notification {
  /// INC_EPOCH, without a payload: the kernel looks up all names again when they are next used. Since 7.44.
  public struct IncrementEpoch: NotificationArguments, Hashable, Sendable {
    public static var notificationCode: NotificationCode { .incrementEpoch }

    public init() {}

    public var payloadSize: Int { 0 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {}

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.isEmpty else { return nil }
    }
  }
}
