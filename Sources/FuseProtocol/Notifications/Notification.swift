import IomapCache

/// What a server tells the kernel without being asked.
public enum Notification {}

/// The payload of a notification, which travels behind a `ReplyHeader` that has its code.
///
/// Names and data are parts of memory that must outlive the value.
public protocol NotificationArguments {
  static var notificationCode: NotificationCode { get }
  /// Bytes.
  var payloadSize: Int { get }
  /// Writes the first `payloadSize` bytes of `memory`, which must have them.
  func encode(into memory: UnsafeMutableRawBufferPointer)
  /// Reads the payload of a notification. Nil when it is shorter or longer than it says itself.
  init?(_ payload: UnsafeRawBufferPointer)
}

extension NotificationArguments {
  /// Bytes of the whole message.
  public var messageSize: Int { ReplyHeader.size + payloadSize }

  /// Writes the whole message, `messageSize` bytes, to `memory`, which must have them. Returns how many that were.
  @discardableResult
  public func encodeWholeMessage(into memory: UnsafeMutableRawBufferPointer) -> Int {
    ReplyHeader(payloadSize: payloadSize, notification: Self.notificationCode).encode(into: memory)
    encode(into: memory.from(ReplyHeader.size))
    return messageSize
  }
}

// The notifications of iomap, by the wire of IomapCache, which reads past what is too long.

extension IomapWire.UpsertNotification: NotificationArguments {
  public static var notificationCode: NotificationCode { .iomapUpsert }
  public var payloadSize: Int { Self.size }
}

extension IomapWire.InvalidationNotification: NotificationArguments {
  public static var notificationCode: NotificationCode { .iomapInvalidation }
  public var payloadSize: Int { Self.size }
}

extension IomapWire.DeviceInvalidationNotification: NotificationArguments {
  public static var notificationCode: NotificationCode { .iomapDeviceInvalidation }
  public var payloadSize: Int { Self.size }
}
