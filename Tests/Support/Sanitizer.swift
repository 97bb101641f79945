import Glibc

/// AddressSanitizer and ThreadSanitizer (`scripts/test --sanitize`), which reserve terabytes of addresses and keep what was freed.
public enum Sanitizer {
  /// Whether the tests and the programs that they run were built with one.
  public static let isOn = !options.isEmpty

  /// How many times longer than otherwise a test waits before it gives up: what is built with one takes 5 to 15 times as long.
  public static let patience = isOn ? 10 : 1

  /// Whether a path is that of a file for a sanitizer's reports (scripts/test.d/suites.py).
  public static func isReport(_ path: String) -> Bool {
    guard let reports else { return false }
    return path.hasPrefix(reports + ".")
  }

  private static let options = ["ASAN_OPTIONS", "TSAN_OPTIONS"]
    .compactMap { (name: String) in getenv(name).map { String(cString: $0) } }
  private static let reports = options.joined(separator: ":").split(separator: ":")
    .last { $0.hasPrefix("log_path=") }?.dropFirst("log_path=".count)
}
