/// A place in the payload of a request, from which arguments are taken one after the other. Nothing is copied: what it gives are parts of the
/// memory that it was made with.
public struct PayloadCursor {
  /// What has not been taken yet.
  private(set) var rest: UnsafeRawBufferPointer
  let opcode: Opcode
  let negotiated: NegotiatedProtocol

  init(_ payload: UnsafeRawBufferPointer, of opcode: Opcode, _ negotiated: NegotiatedProtocol) {
    rest = payload
    self.opcode = opcode
    self.negotiated = negotiated
  }

  func error(_ flaw: DecodingError.Flaw) -> DecodingError {
    DecodingError(opcode: opcode.rawValue, flaw)
  }

  /// The next `count` bytes. `truncated` when there are fewer.
  mutating func bytes(_ count: Int) throws(DecodingError) -> UnsafeRawBufferPointer {
    guard rest.count >= count else { throw error(.truncated(needed: count, there: rest.count)) }
    defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
    return UnsafeRawBufferPointer(rebasing: rest[..<count])
  }

  /// The last structure of a request: `size` bytes, or, with a minor below `minor`, in which it was shorter, as few as `shorter`. Linux sends the
  /// whole structure whatever the minor is; what is missing reads as zero (`fieldOrZero`).
  mutating func lastStructure(
    _ size: Int, before minor: UInt32, _ shorter: Int
  ) throws(DecodingError) -> UnsafeRawBufferPointer {
    if negotiated.minor < minor, rest.count == shorter { return try bytes(shorter) }
    return try bytes(size)
  }

  /// The bytes up to the next NUL, which is passed over. `unterminatedName` when there is none.
  mutating func name() throws(DecodingError) -> UnsafeRawBufferPointer {
    guard let end = rest.firstIndex(of: 0) else { throw error(.unterminatedName) }
    defer { rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...]) }
    return UnsafeRawBufferPointer(rebasing: rest[..<end])
  }

  /// All that is left.
  mutating func takeRest() throws(DecodingError) -> UnsafeRawBufferPointer {
    try bytes(rest.count)
  }

  /// A structure that IomapCache knows how to read, of `size` bytes.
  mutating func iomap<T>(
    _ size: Int, _ decode: (UnsafeRawBufferPointer) -> T?
  ) throws(DecodingError) -> T {
    guard let value = decode(try bytes(size)) else { throw error(.value) }
    return value
  }

  /// `excess` when something is left.
  func finish() throws(DecodingError) {
    guard rest.isEmpty else { throw error(.excess(rest.count)) }
  }
}
