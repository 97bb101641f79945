extension Notification {
  /// RESEND, without a payload: the kernel sends all requests again that have no reply yet. Since 7.40.
  public struct Resend: NotificationArguments, Hashable, Sendable {
    public static var notificationCode: NotificationCode { .resend }

    public init() {}

    public var payloadSize: Int { 0 }

    public func encode(into memory: UnsafeMutableRawBufferPointer) {}

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.isEmpty else { return nil }
    }
  }
}
