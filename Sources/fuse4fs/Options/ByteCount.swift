/// Numbers of bytes as people write and read them.
enum ByteCount {
  private static let units: [(letter: Character, shift: Int64)] = [
    ("T", 40), ("G", 30), ("M", 20), ("K", 10),
  ]

  /// `4096`, `4K`, `1m`: a count with a binary suffix; nil for anything else, and for overflow.
  static let parse: @Sendable (String) -> Int64? = { text in
    var digits = Substring(text)
    var unit: Int64 = 1
    if let last = text.last?.uppercased(),
      let match = units.first(where: { String($0.letter) == last })
    {
      digits = digits.dropLast()
      unit = 1 << match.shift
    }
    guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }),
      let count = Int64(digits)
    else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: unit)
    return overflow ? nil : bytes
  }

  /// `64 MiB`, `1.5 GiB`, `700 bytes`.
  static func describe(_ bytes: Int64) -> String {
    guard let unit = units.first(where: { bytes >= 1 << $0.shift }) else { return "\(bytes) bytes" }
    let size: Int64 = 1 << unit.shift
    let tenths = bytes % size * 10 / size
    return "\(bytes / size)\(tenths == 0 ? "" : ".\(tenths)") \(unit.letter)iB"
  }
}
