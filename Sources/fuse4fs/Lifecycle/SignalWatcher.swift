import Glibc
import SystemPackage

/// Takes the signals that ask for a clean unmount, SIGINT, SIGTERM and SIGHUP, and the one that asks for a report, SIGUSR1.
enum SignalWatcher {
  /// Keeps those signals pending in this thread and in those that it starts, and ignores SIGPIPE. To
  /// be called before the first thread is started; a signal that comes before `watch` is not lost.
  static func block() {
    signal(SIGPIPE, SIG_IGN)
    var signals = watched
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// Starts the thread that waits for them, and calls `handler` on it for each that comes.
  static func watch(_ handler: @escaping @Sendable (Int32) -> Void) throws(StartupFailure) {
    let context = Unmanaged.passRetained(Handler(call: handler))
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let handler = Unmanaged<Handler>.fromOpaque(context).takeRetainedValue()
        var signals = SignalWatcher.watched
        while true {
          var number: Int32 = 0
          if sigwait(&signals, &number) == 0 { handler.call(number) }
        }
      }, context.toOpaque())
    guard error == 0 else {
      context.release()
      throw .system("start a thread", Errno(rawValue: error))
    }
    pthread_detach(thread)
  }

  private static var watched: sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] {
      sigaddset(&signals, signal)
    }
    return signals
  }

  private final class Handler: Sendable {
    let call: @Sendable (Int32) -> Void

    init(call: @escaping @Sendable (Int32) -> Void) {
      self.call = call
    }
  }
}
