import Glibc

/// AddressSanitizer and ThreadSanitizer (`scripts/test --sanitize`), which reserve terabytes of addresses and keep what was freed.
public enum Sanitizer {
  /// Whether the tests and the programs that they run were built with one.
  public static let isOn = getenv("ASAN_OPTIONS") != nil || getenv("TSAN_OPTIONS") != nil
}
