/// A value that is written as JSON (RFC 8259), in one line.
enum JSONValue: Sendable {
  case null
  case number(UInt64)
  /// Thousandths.
  case thousandths(UInt64)
  case text(String)
  case list([JSONValue])
  /// In the order in which they are written.
  case object([(String, JSONValue)])

  var description: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .number(let value): text += "\(value)"
    case .thousandths(let value):
      let digits = "\(value % 1000)"
      text += "\(value / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
    case .text(let value): Self.write(value, to: &text)
    case .list(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += "," }
        value.write(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, (name, value)) in members.enumerated() {
        if index > 0 { text += "," }
        Self.write(name, to: &text)
        text += ":"
        value.write(to: &text)
      }
      text += "}"
    }
  }

  private static func write(_ value: String, to text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
