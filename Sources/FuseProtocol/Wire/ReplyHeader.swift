/// `struct fuse_out_header`, 16 bytes: the head of every reply and of every notification.
public struct ReplyHeader: Hashable, Sendable {
  /// In bytes.
  @inlinable public static var size: Int { 16 }

  /// Bytes of the whole message, header included.
  public var length: UInt32
  /// 0, or the errno of a request that failed, below zero, -511...-1; for a notification its code, above zero.
  public var error: Int32
  /// The number of the request; 0 for a notification.
  public var unique: UInt64

  /// The header of a reply with a payload of `payloadSize` bytes. `error` is 0 or an errno below zero.
  @inlinable
  public init(payloadSize: Int, error: Int32 = 0, unique: UInt64) {
    length = UInt32(Self.size + payloadSize)
    self.error = error
    self.unique = unique
  }

  /// The header of a notification with a payload of `payloadSize` bytes.
  @inlinable
  public init(payloadSize: Int, notification code: NotificationCode) {
    self.init(payloadSize: payloadSize, error: code.rawValue, unique: 0)
  }

  /// Reads the header at the beginning of `message`. Nil when there are fewer than `size` bytes.
  @inlinable
  public init?(_ message: UnsafeRawBufferPointer) {
    guard message.count >= Self.size else { return nil }
    length = message.field(0)
    error = message.field(4)
    unique = message.field(8)
  }

  /// Writes the first `size` bytes of `memory`, which must have them.
  @inlinable
  public func encode(into memory: UnsafeMutableRawBufferPointer) {
    precondition(memory.count >= Self.size, "the caller gave no room for the header")
    memory.put(length, at: 0)
    memory.put(error, at: 4)
    memory.put(unique, at: 8)
  }
}
