/// A whole request: header, arguments, extensions.
///
/// It refers to the memory that it was decoded from, and is valid for as long as that is.
public struct RequestMessage {
  public var header: RequestHeader
  public var request: Request
  public var extensions: RequestExtensions

  /// Decodes `message`, which is what one read(2) of the device gave. Allocates nothing.
  ///
  /// Errors: `shortHeader`, `length`, `unknownOpcode`, `foreignByteOrder`, `extensionLength`, `extensionForm`, and those of `Request.init`.
  public init(
    _ message: UnsafeRawBufferPointer, _ negotiated: NegotiatedProtocol
  ) throws(DecodingError) {
    guard let header = RequestHeader(message) else {
      throw DecodingError(opcode: nil, .shortHeader(there: message.count))
    }
    guard header.length == message.count else {
      throw DecodingError(
        opcode: header.rawOpcode, .length(said: header.length, there: message.count))
    }
    guard let opcode = header.opcode else {
      let isForeign = header.rawOpcode == Opcode.foreignInitialize
      throw DecodingError(
        opcode: header.rawOpcode, isForeign ? .foreignByteOrder : .unknownOpcode)
    }
    let payload = UnsafeRawBufferPointer(rebasing: message[RequestHeader.size...])
    // The field was padding before 7.38.
    let measured = negotiated.minor >= 38 ? header.extensionLength : 0
    guard measured <= payload.count else {
      throw DecodingError(opcode: header.rawOpcode, .extensionLength(measured))
    }
    var cursor = PayloadCursor(
      UnsafeRawBufferPointer(rebasing: payload[..<(payload.count - measured)]), of: opcode,
      negotiated)
    self.header = header
    request = try Request.decode(&cursor)
    var extensions = UnsafeRawBufferPointer(rebasing: payload[(payload.count - measured)...])
    if negotiated.hasUnmeasuredExtensions, opcode.makesFiles { extensions = try cursor.takeRest() }
    try cursor.finish()
    self.extensions = try RequestExtensions(extensions, opcode)
  }
}

extension Opcode {
  /// Whether a new file comes of it, so that the kernel tells what it is to have from the beginning.
  var makesFiles: Bool {
    switch self {
    case .symlink, .mknod, .mkdir, .create, .tmpfile: true
    default: false
    }
  }
}
