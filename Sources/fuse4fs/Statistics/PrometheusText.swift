/// Metrics in the text format of Prometheus (version 0.0.4).
struct PrometheusText {
  enum Kind: String { case counter, gauge, histogram }

  private(set) var text = ""
  /// What every sample has.
  private let common: [(String, String)]

  init(common: [(String, String)]) { self.common = common }

  /// Begins a metric. Its samples follow, and no others between them.
  mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: UInt64) {
    line(name, labels, "\(value)")
  }

  /// In seconds.
  mutating func sample(
    _ name: String, _ labels: [(String, String)], nanoseconds: UInt64
  ) {
    line(name, labels, Self.seconds(nanoseconds))
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
    let list = (common + labels).map { "\($0.0)=\"\(Self.escaped($0.1))\"" }
    text += "\(name){\(list.joined(separator: ","))} \(value)\n"
  }

  static func seconds(_ nanoseconds: UInt64) -> String {
    let digits = "\(nanoseconds % 1_000_000_000)"
    return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 9 - digits.count)
      + digits
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}
