extension IomapWire {
  /// A structure that has one size, whatever the revision.
  public protocol Payload: Hashable, Sendable {
    /// In bytes.
    static var size: Int { get }
    /// Nil when `payload` is shorter than `size`, or holds what the type has no word for. What follows is
    /// ignored.
    init?(_ payload: UnsafeRawBufferPointer)
    /// Writes all of the first `size` bytes of `buffer`, which must have room for them.
    func encode(into buffer: UnsafeMutableRawBufferPointer)
  }

  /// Calls `body` with `size` bytes of the stack, as filled in by `encode`.
  @inlinable
  static func withBytes<R, E: Error>(
    _ size: Int, encode: (UnsafeMutableRawBufferPointer) -> Void,
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    // Twelve words hold the largest notification; the larger CONFIG reply and messages of tests fit into 32.
    precondition(size <= 256)
    var room = InlineArray<32, UInt64>(repeating: 0)
    return try Swift.withUnsafeMutableBytes(of: &room) { (bytes) throws(E) -> R in
      let message = UnsafeMutableRawBufferPointer(rebasing: bytes[..<size])
      encode(message)
      return try body(UnsafeRawBufferPointer(message))
    }
  }
}

extension IomapWire.Payload {
  /// Calls `body` with the encoded structure, which lies on the stack.
  @inlinable
  public func withBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try IomapWire.withBytes(Self.size, encode: encode(into:), body)
  }
}
