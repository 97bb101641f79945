/// Bytes from elsewhere, fit for one line of a terminal: between quotation marks, with everything but printable ASCII as `\xNN`.
enum EscapedText {
  /// So many bytes are shown.
  static let limit = 255

  static func of(_ bytes: UnsafeRawBufferPointer) -> String {
    var text = "\""
    for byte in bytes.prefix(limit) {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        text += "\\"
        text.unicodeScalars.append(Unicode.Scalar(byte))
      case 0x20..<0x7F:
        text.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        text += byte < 16 ? "\\x0" : "\\x"
        text += String(byte, radix: 16)
      }
    }
    return bytes.count > limit ? text + "\"... of \(bytes.count) bytes" : text + "\""
  }
}
