/// What is behind the header of a reply without an error.
///
/// READ, READLINK, GETXATTR and LISTXATTR are answered with bytes and nothing else, listings by `DirectoryWriter`, BEGIN, END, IOEND and CONFIG
/// of iomap with what IomapCache has. All other replies but these have a header alone.
public enum Reply {}

/// A reply whose payload is one structure.
public protocol ReplyArguments: Hashable, Sendable {
  /// The bytes of the payload at `minor`.
  static func size(at minor: UInt32) -> Int
  /// Writes the first `size(at:)` bytes of `memory`, which must have them.
  func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32)
  /// Reads a payload of `size(at:)` bytes. Nil when it has more or fewer.
  init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32)
}

extension ReplyArguments {
  /// Writes the whole message, header and payload, to `memory`, which must have `ReplyHeader.size` bytes more than the payload. Returns how many
  /// bytes that were.
  @inlinable
  public func encodeMessage(
    replyingTo unique: UInt64, into memory: UnsafeMutableRawBufferPointer,
    at minor: UInt32 = NegotiatedProtocol.latestMinor
  ) -> Int {
    let size = Self.size(at: minor)
    ReplyHeader(payloadSize: size, unique: unique).encode(into: memory)
    encode(into: memory.from(ReplyHeader.size), at: minor)
    return ReplyHeader.size + size
  }
}
