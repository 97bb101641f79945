import SystemPackage

/// Why requests cannot come over io_uring.
public struct RingFailure: Error, Sendable {
  /// The end of a sentence for people.
  public let reason: String

  public init(_ reason: String) { self.reason = reason }

  /// `attempt` failed: "make a ring". `code`: an errno below zero, as liburing returns it.
  init(_ attempt: String, code: CInt) {
    reason = "the system does not let this process \(attempt): \(Errno(rawValue: -code))"
  }
}
