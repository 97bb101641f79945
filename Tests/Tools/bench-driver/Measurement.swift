import Glibc
import Synchronization
import SystemPackage

/// What was being done, and the errno.
struct WorkFailure: Error, CustomStringConvertible {
  let action: String
  let errno: Errno

  /// Throws what the last system call left in errno.
  static func check(_ succeeded: Bool, _ action: @autoclosure () -> String) throws {
    if succeeded { return }
    let code = Errno(rawValue: Glibc.errno)
    throw WorkFailure(action: action(), errno: code)
  }

  var description: String { "cannot \(action): \(errno)" }
}

/// The clock of a run, and its limit.
struct Stopwatch {
  private let start = ContinuousClock.now
  private let limit: Double

  init(limit: Double) { self.limit = limit }

  var seconds: Double {
    let elapsed = ContinuousClock.now - start
    return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
  }

  /// Looks at the clock for every 256th operation only.
  func isOver(after operations: Int) -> Bool { operations & 255 == 255 && seconds > limit }
}

enum Measurement {
  static func report(_ operations: Int, _ seconds: Double) {
    print("{\"operations\": \(operations), \"seconds\": \(seconds)}")
  }

  /// Runs `body` once, and reports how many operations it says it has done.
  static func run(limit: Double = 1e9, _ body: (Stopwatch) throws -> Int) throws {
    let watch = Stopwatch(limit: limit)
    let operations = try body(watch)
    report(operations, watch.seconds)
  }

  /// Runs `body` for each client at the same time, and reports the sum.
  static func run(
    _ set: FileSet, _ body: @escaping @Sendable (Int, Stopwatch) throws -> Int
  ) throws {
    try run(clients: set.clients, seconds: set.seconds, body)
  }

  /// The same for `clients` of them, each of which may look at the clock to see whether `seconds` have gone by.
  static func run(
    clients: Int, seconds: Double, _ body: @escaping @Sendable (Int, Stopwatch) throws -> Int
  ) throws {
    let total = Atomic<Int>(0)
    let failure = Mutex<(any Error)?>(nil)
    try run(limit: seconds) { watch in
      withoutActuallyEscaping(body) { body in
        Clients.run(clients) { client in
          do {
            total.wrappingAdd(try body(client, watch), ordering: .relaxed)
          } catch {
            failure.withLock { $0 = error }
          }
        }
      }
      if let error = failure.withLock({ $0 }) { throw error }
      return total.load(ordering: .relaxed)
    }
  }
}
