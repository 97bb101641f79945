import Glibc

/// A thread that holds on to what it works for until it ends.
public struct OwnedThread: @unchecked Sendable {
  private let thread: pthread_t

  private final class Start {
    let work: @Sendable () -> Void
    init(_ work: @escaping @Sendable () -> Void) { self.work = work }
  }

  /// Nil when the system allows no more threads.
  public init?(_ work: @escaping @Sendable () -> Void) {
    guard let thread = Self.create(work) else { return nil }
    self.thread = thread
  }

  /// Starts a thread that is not waited for. False when the system allows no more threads.
  static func detach(_ work: @escaping @Sendable () -> Void) -> Bool {
    guard let thread = create(work) else { return false }
    pthread_detach(thread)
    return true
  }

  private static func create(_ work: @escaping @Sendable () -> Void) -> pthread_t? {
    var thread = pthread_t()
    // A thread inherits where its maker runs.
    let isMakerPinned = Exchange.current?.isPinned ?? false
    let start = Unmanaged.passRetained(
      Start {
        if isMakerPinned { ThreadPlacement.unpin() }
        work()
      })
    let code = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Start>.fromOpaque(context!).takeRetainedValue().work()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      return nil
    }
    return thread
  }

  /// Returns when it has ended. To be called once.
  public func join() { pthread_join(thread, nil) }
}
