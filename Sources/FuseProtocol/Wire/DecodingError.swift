/// Why the bytes of a request are none that the kernel may send.
public struct DecodingError: Error, Hashable, Sendable {
  public enum Flaw: Hashable, Sendable {
    /// The message ends before its header does. `there`: its bytes.
    case shortHeader(there: Int)
    /// The header says that the request has `said` bytes, and it has `there`.
    case length(said: UInt32, there: Int)
    /// No operation has this number.
    case unknownOpcode
    /// The number is that of INIT with its bytes in the reverse order: the other side has another byte order.
    case foreignByteOrder
    /// A structure, or what a size in the request promises, takes `needed` bytes, and only `there` follow.
    case truncated(needed: Int, there: Int)
    /// So many bytes follow behind the last argument.
    case excess(Int)
    /// A name has no NUL behind it.
    case unterminatedName
    /// The header says that so many bytes at the end are extensions, which is more than there are.
    case extensionLength(Int)
    /// The extension at this offset among the extensions is not well-formed.
    case extensionForm(offset: Int)
    /// The structure holds a value that the protocol does not have: a mapping of a type that does not exist.
    case value
  }

  /// The number of the operation; nil where the message ends before it.
  public var opcode: UInt32?
  public var flaw: Flaw

  public init(opcode: UInt32?, _ flaw: Flaw) {
    self.opcode = opcode
    self.flaw = flaw
  }
}

extension DecodingError: CustomStringConvertible {
  public var description: String {
    let name = opcode.map { Opcode(rawValue: $0)?.name ?? "operation \($0)" } ?? "request"
    return switch flaw {
    case .shortHeader(let there):
      "\(name): \(there) bytes, and a header has \(RequestHeader.size)"
    case .length(let said, let there): "\(name): \(there) bytes, and the header says \(said)"
    case .unknownOpcode: "\(name): the protocol has no such operation"
    case .foreignByteOrder: "\(name): INIT in the other byte order"
    case .truncated(let needed, let there): "\(name): \(needed) bytes must follow, and \(there) do"
    case .excess(let count): "\(name): \(count) bytes too many"
    case .unterminatedName: "\(name): a name has no end"
    case .extensionLength(let length):
      "\(name): there are fewer than the \(length) bytes of extensions that the header promises"
    case .extensionForm(let offset): "\(name): the extension at byte \(offset) is malformed"
    case .value: "\(name): a mapping of a type that does not exist"
    }
  }
}
