import FuseProtocol
import Testing

/// The bytes of a dump with a field on each line: its name, a colon, and pairs of hexadecimal digits or, between quotation marks, characters.
func fields(_ dump: String) -> [UInt8] {
  dump.split(separator: "\n").flatMap { line -> [UInt8] in
    let value = line.drop { $0 != ":" }.dropFirst()
    guard let quotation = value.firstIndex(of: "\"") else { return pairs(value) }
    let characters = value[value.index(after: quotation)...]
    let end = characters.lastIndex(of: "\"") ?? characters.endIndex
    return pairs(value[..<quotation]) + characters[..<end].utf8
      + (end < characters.endIndex ? pairs(characters[characters.index(after: end)...]) : [])
  }
}

private func pairs(_ text: Substring) -> [UInt8] {
  text.split(separator: " ").compactMap { UInt8($0, radix: 16) }
}

/// The characters of a name.
func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

/// A request as the kernel sends it, without its header, and what it must be decoded as.
struct Golden: Sendable, CustomTestStringConvertible {
  struct Mismatch: Error {}

  let opcode: Opcode
  let negotiated: NegotiatedProtocol
  let payload: [UInt8]
  /// Lengths below that of `payload` that are right as well.
  let shorterForms: [Int]
  /// Lengths above it that are right as well: of later minors, whose structures Linux always sends.
  let longerForms: [Int]
  /// Throws `Mismatch` when it is another operation, and expects each field.
  let check: @Sendable (Request) throws -> Void

  init(
    _ opcode: Opcode, minor: UInt32 = 45, flags: InitFlags = [], _ dump: String,
    shorterForms: [Int] = [], longerForms: [Int] = [],
    check: @escaping @Sendable (Request) throws -> Void
  ) {
    self.opcode = opcode
    negotiated = NegotiatedProtocol(minor: minor, flags: flags)
    payload = fields(dump)
    self.shorterForms = shorterForms
    self.longerForms = longerForms
    self.check = check
  }

  var testDescription: String { "\(opcode.name) at 7.\(negotiated.minor)" }

  static let all = names + attributes + data + files + connection + iomap
}

extension Golden {
  /// Whether `length` bytes are a request, too.
  func isForm(_ length: Int) -> Bool {
    shorterForms.contains(length) || longerForms.contains(length)
      || opcode == .initialize && length >= 64
  }
}

extension DecodingError.Flaw {
  var isTruncation: Bool {
    switch self {
    case .truncated, .unterminatedName: true
    default: false
    }
  }
}

/// Payload behind a header that says its length.
func message(
  _ opcode: UInt32, _ payload: [UInt8], extensionLength: UInt16 = 0, length: Int? = nil
) -> [UInt8] {
  func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
  }
  return bytes(UInt32(length ?? 40 + payload.count)) + bytes(opcode)
    + fields(
      """
      unique: 02 00 00 00 00 00 00 00
      nodeid: 05 00 00 00 00 00 00 00
      uid: e8 03 00 00
      gid: 64 00 00 00
      pid: 92 10 00 00
      """) + bytes(extensionLength / 8) + [0, 0] + payload
}

/// The result of decoding `message`, as far as it is to be compared.
func failure(
  _ message: [UInt8], _ negotiated: NegotiatedProtocol = NegotiatedProtocol(minor: 45)
) -> DecodingError? {
  message.withUnsafeBytes { bytes in
    do throws(DecodingError) {
      _ = try RequestMessage(bytes, negotiated)
      return nil
    } catch {
      return error
    }
  }
}
