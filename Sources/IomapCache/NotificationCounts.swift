import SystemPackage

/// What became of the notifications of one sort.
public struct NotificationCounts: Hashable, Sendable {
  /// Sent, and accepted by the kernel.
  public var sent: UInt64 = 0
  /// Failed, by errno; those that could not be sent at all are among them. Without those that never happened.
  public var failures: [Errno: UInt64] = [:]

  public init(sent: UInt64 = 0, failures: [Errno: UInt64] = [:]) {
    self.sent = sent
    self.failures = failures
  }

  /// All that failed.
  public var failed: UInt64 { failures.values.reduce(0, &+) }
}
