import Glibc

/// Threads that do the same thing, each with a number.
enum Clients {
  private final class Start: Sendable {
    let number: Int
    let body: @Sendable (Int) -> Void

    init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.number = number
      self.body = body
    }
  }

  /// Returns when all have; a thread that cannot be started is done by the caller.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    var threads: [pthread_t] = []
    for number in 1..<max(count, 1) {
      let start = Unmanaged.passRetained(Start(number, body))
      var thread = pthread_t()
      let code = pthread_create(
        &thread, nil,
        { context in
          guard let context else { return nil }
          let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
          start.body(start.number)
          return nil
        }, start.toOpaque())
      if code == 0 {
        threads.append(thread)
      } else {
        start.release()
        body(number)
      }
    }
    body(0)
    for thread in threads { pthread_join(thread, nil) }
  }
}
