import Glibc
import SystemPackage

/// Why there is no mount: a sentence for the person who asked for it, and the exit code.
struct StartupFailure: Error, Sendable {
  let code: ExitCode
  let message: String

  static func usage(_ message: String) -> Self { .init(code: .usage, message: message) }

  static func mount(_ message: String) -> Self { .init(code: .mountFailure, message: message) }

  /// - Parameter action: what failed, to stand after "cannot".
  static func system(_ action: String, _ errno: Errno) -> Self {
    .init(code: .system, message: "cannot \(action): \(errno)")
  }
}

extension Errno {
  /// The error of the C call that has just failed on this thread.
  static var last: Errno { Errno(rawValue: Glibc.errno) }
}
