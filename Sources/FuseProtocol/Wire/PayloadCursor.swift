/// A place in the payload of a request, from which arguments are taken one after the other. Nothing is copied: what it gives are parts of the
/// memory that it was made with.
public struct PayloadCursor {
  /// What has not been taken yet of the piece that this is in.
  private(set) var rest: UnsafeRawBufferPointer
  /// What follows in another piece of memory (`RequestParts.payload`).
  private var following: UnsafeRawBufferPointer
  let opcode: Opcode
  let negotiated: NegotiatedProtocol

  init(_ parts: RequestParts, of opcode: Opcode, _ negotiated: NegotiatedProtocol) {
    rest = parts.arguments
    following = parts.payload
    self.opcode = opcode
    self.negotiated = negotiated
  }

  init(_ payload: UnsafeRawBufferPointer, of opcode: Opcode, _ negotiated: NegotiatedProtocol) {
    rest = payload
    following = UnsafeRawBufferPointer(start: nil, count: 0)
    self.opcode = opcode
    self.negotiated = negotiated
  }

  /// Goes on to the other piece where this one is at its end: an argument lies in one of them.
  @inline(__always)
  private mutating func advance() {
    guard rest.isEmpty, !following.isEmpty else { return }
    rest = following
    following = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  func error(_ flaw: DecodingError.Flaw) -> DecodingError {
    DecodingError(opcode: opcode.rawValue, flaw)
  }

  /// The next `count` bytes. `truncated` when there are fewer.
  mutating func bytes(_ count: Int) throws(DecodingError) -> UnsafeRawBufferPointer {
    advance()
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
    advance()
    guard let end = rest.firstIndex(of: 0) else { throw error(.unterminatedName) }
    defer { rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...]) }
    return UnsafeRawBufferPointer(rebasing: rest[..<end])
  }

  /// All that is left of the piece that the next argument is in.
  mutating func takeRest() throws(DecodingError) -> UnsafeRawBufferPointer {
    advance()
    return try bytes(rest.count)
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
    let left = rest.count + following.count
    guard left == 0 else { throw error(.excess(left)) }
  }
}
