/// Numbers with units, short enough for a column: three digits or so.
enum ReadableQuantity {
  /// "0", "812 ns", "3.25 µs", "1.02 s".
  static func time(_ nanoseconds: UInt64) -> String {
    guard nanoseconds >= 1000 else { return nanoseconds == 0 ? "0" : "\(nanoseconds) ns" }
    let units: [(UInt64, String)] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "µs")]
    let (size, name) = units.first { nanoseconds >= $0.0 } ?? (1, "ns")
    return "\(rounded(nanoseconds, to: size)) \(name)"
  }

  /// "0", "512 B", "64.0 KiB".
  static func bytes(_ count: UInt64) -> String {
    guard count >= 1024 else { return count == 0 ? "0" : "\(count) B" }
    let names = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    let power = min((63 - count.leadingZeroBitCount) / 10, names.count)
    return "\(rounded(count, to: 1 << UInt64(10 * power))) \(names[power - 1])"
  }

  /// Per cent, with one decimal place.
  static func share(_ part: UInt64, of whole: UInt64) -> String {
    guard whole > 0 else { return "-" }
    let tenths = (Double(part) / Double(whole) * 1000).rounded()
    return "\(Int(tenths) / 10).\(Int(tenths) % 10)%"
  }

  private static func rounded(_ value: UInt64, to unit: UInt64) -> String {
    let quotient = Double(value) / Double(unit)
    let places = quotient < 9.995 ? 2 : quotient < 99.95 ? 1 : 0
    let scale = [1.0, 10, 100][places]
    let digits = UInt64((quotient * scale).rounded())
    guard places > 0 else { return "\(digits)" }
    let (whole, fraction) = digits.quotientAndRemainder(dividingBy: UInt64(scale))
    let text = "\(fraction)"
    return "\(whole)." + String(repeating: "0", count: places - text.count) + text
  }
}
