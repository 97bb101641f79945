import SystemPackage

/// The way to the kernel for notifications.
public protocol IomapNotificationChannel: AnyObject, Sendable {
  /// One notification, whole, in a single write; returns when the kernel has applied it.
  func send(notification: UnsafeRawBufferPointer) throws(Errno)
}
