extension IomapWire {
  /// The payload of a notification, which travels behind an `OutHeader` that names its code.
  public protocol Notification: Payload {
    static var code: NotificationCode { get }
  }
}

extension IomapWire.Notification {
  /// The whole message, in bytes.
  @inlinable public static var messageSize: Int { IomapWire.OutHeader.size + size }

  /// Calls `body` with the whole message, header and payload, which lies on the stack.
  @inlinable
  public func withMessage<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try IomapWire.withBytes(Self.messageSize, encode: encodeMessage(into:), body)
  }

  /// Writes the whole message, `messageSize` bytes.
  public func encodeMessage(into buffer: UnsafeMutableRawBufferPointer) {
    let header = IomapWire.OutHeader(payloadSize: Self.size, notification: Self.code)
    header.encode(into: buffer)
    encode(into: UnsafeMutableRawBufferPointer(rebasing: buffer[IomapWire.OutHeader.size...]))
  }

  /// Decodes a whole message, as the kernel does. Nil when its length, in truth or as it says itself, is
  /// not exactly that of this notification, its code is another, or its `unique` is not 0.
  public init?(message: UnsafeRawBufferPointer) {
    guard message.count == Self.messageSize, let header = IomapWire.OutHeader(message),
      header.length == UInt32(Self.messageSize), header.error == Self.code.rawValue,
      header.unique == 0
    else { return nil }
    self.init(message.dropping(IomapWire.OutHeader.size))
  }
}
