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
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(work))
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
    self.thread = thread
  }

  /// Returns when it has ended. To be called once.
  public func join() { pthread_join(thread, nil) }
}
