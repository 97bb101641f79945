import SystemPackage

/// What a thread does where it would have to wait: for the device, for a lock, or for another thread.
///
/// A thread that must not wait gives up what it does with `Errno.wouldWait`, as long as nothing has been changed; another thread
/// begins again from the start. Once something has been changed, the thread goes on to the end, and waits where it must.
public struct WaitPolicy: Sendable {
  /// Whether the calling thread gives up rather than wait.
  public var givesUp: @Sendable () -> Bool
  /// The calling thread is about to wait.
  public var willWait: @Sendable () -> Void
  /// The calling thread has changed something: from here on it does not give up.
  public var hasChanged: @Sendable () -> Void
  /// The calling thread has waited so many nanoseconds.
  public var didWait: @Sendable (WaitCause, _ nanoseconds: UInt64) -> Void

  /// Every thread waits, unless told otherwise.
  public init(
    givesUp: @escaping @Sendable () -> Bool = { false },
    willWait: @escaping @Sendable () -> Void = {},
    hasChanged: @escaping @Sendable () -> Void = {},
    didWait: @escaping @Sendable (WaitCause, _ nanoseconds: UInt64) -> Void = { _, _ in }
  ) {
    self.givesUp = givesUp
    self.willWait = willWait
    self.hasChanged = hasChanged
    self.didWait = didWait
  }
}

extension Errno {
  /// The calling thread would have to wait, and must not. The system has no error of this number.
  public static let wouldWait = Errno(rawValue: 0x4E57_4149)
}
