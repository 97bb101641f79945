/// Where the bytes of a request are: in one piece, as read(2) of /dev/fuse gives them, or in three, as FUSE over io_uring does.
///
/// It refers to memory, and is valid for as long as that is.
public struct RequestParts {
  /// The header; `RequestHeader.size` bytes at least.
  public let header: UnsafeRawBufferPointer
  /// What lies behind the header: all of the arguments, or the structure that they begin with.
  public let arguments: UnsafeRawBufferPointer
  /// The arguments that lie elsewhere: names and data. No argument lies in both places.
  public let payload: UnsafeRawBufferPointer

  /// A whole message. Nil when it has no whole header.
  @inlinable
  public init?(_ message: UnsafeRawBufferPointer) {
    guard message.count >= RequestHeader.size else { return nil }
    header = UnsafeRawBufferPointer(rebasing: message[..<RequestHeader.size])
    arguments = UnsafeRawBufferPointer(rebasing: message[RequestHeader.size...])
    payload = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// `header` has `RequestHeader.size` bytes at least.
  @inlinable
  public init(
    header: UnsafeRawBufferPointer, arguments: UnsafeRawBufferPointer,
    payload: UnsafeRawBufferPointer
  ) {
    self.header = header
    self.arguments = arguments
    self.payload = payload
  }

  /// Bytes of the whole request.
  @inlinable public var count: Int { RequestHeader.size + arguments.count + payload.count }

  /// The same without the last `count` bytes, which must lie in one place, and those.
  func split(beforeLast count: Int) -> (RequestParts, UnsafeRawBufferPointer)? {
    func halves(_ bytes: UnsafeRawBufferPointer) -> (UnsafeRawBufferPointer, UnsafeRawBufferPointer)
    {
      let start = bytes.count - count
      return (
        UnsafeRawBufferPointer(rebasing: bytes[..<start]),
        UnsafeRawBufferPointer(rebasing: bytes[start...])
      )
    }
    if !payload.isEmpty {
      guard count <= payload.count else { return nil }
      let (rest, last) = halves(payload)
      return (RequestParts(header: header, arguments: arguments, payload: rest), last)
    }
    guard count <= arguments.count else { return nil }
    let (rest, last) = halves(arguments)
    return (RequestParts(header: header, arguments: rest, payload: payload), last)
  }
}
