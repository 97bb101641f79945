/// Numbers as people read them in this protocol.
enum Numbers {
  static func octal(_ value: some BinaryInteger) -> String { "0" + String(value, radix: 8) }

  static func hexadecimal(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }

  static func bytes(_ count: some BinaryInteger) -> String {
    count == 1 ? "1 byte" : "\(count) bytes"
  }

  /// A range as "4096 bytes at 8192".
  static func range(_ count: some BinaryInteger, at offset: some BinaryInteger) -> String {
    "\(bytes(count)) at \(offset)"
  }

  static func time(_ time: Timestamp) -> String {
    let digits = String(time.nanoseconds)
    return "\(time.seconds).\(String(repeating: "0", count: max(0, 9 - digits.count)))\(digits)"
  }

  /// What stands for flags: nothing for none.
  static func flags(_ value: some BinaryInteger) -> String {
    value == 0 ? "" : ", flags \(hexadecimal(value))"
  }
}
