import SystemPackage

/// What an operation returned on one side.
struct Outcome: Equatable, CustomStringConvertible {
  var value = 0
  var error: Errno?
  /// What it read: contents, names, attributes.
  var detail: [UInt8] = []

  init(_ detail: [UInt8] = [], value: Int = 0) {
    self.detail = detail
    self.value = value
  }

  init(_ text: String) {
    detail = Array(text.utf8)
  }

  init(_ error: Errno) {
    self.error = error
  }

  /// Whether the second did as well as the first. For FUSE the kernel does not know what is immutable:
  /// of several faults it may find another one first.
  func isMatched(by other: Outcome) -> Bool {
    self == other || (error == .notPermitted && other.error != nil)
  }

  var description: String {
    if let error { return "errno \(error.rawValue), \(error)" }
    if detail.isEmpty { return "\(value)" }
    if detail.count < 4096, let text = String(validating: detail, as: UTF8.self),
      text.allSatisfy({ !$0.isASCII || $0 >= " " || $0 == "\n" })
    {
      return text
    }
    let start = detail.prefix(16).map { String($0, radix: 16) }.joined(separator: " ")
    return "\(detail.count) bytes: \(start) ..."
  }

  /// Where two outcomes that both read something part.
  func firstDifference(from other: Outcome) -> Int? {
    guard error == nil && other.error == nil && detail != other.detail else { return nil }
    return zip(detail, other.detail).prefix { $0 == $1 }.count
  }
}
