import CFuse3
import Glibc
import SystemPackage

/// A helper program, found in PATH.
enum Subprocess {
  /// Runs it to its end, with no signal blocked, and says what went wrong; nil if nothing did.
  static func run(_ arguments: [String]) -> String? {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

    var pointers = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var child = pid_t()
    let error = posix_spawnp(&child, arguments[0], nil, &attributes, &pointers, cfuse_environment())
    guard error == 0 else { return "\(arguments[0]): \(Errno(rawValue: error))" }
    switch ChildStatus.wait(for: child) {
    case .exited(0): return nil
    case .exited(let code): return "\(arguments[0]) ended with exit code \(code)"
    case .signaled(let signal): return "\(arguments[0]) was ended by signal \(signal)"
    case nil: return "\(arguments[0]) was lost"
    }
  }
}
