/// A whole request: header, arguments, extensions.
///
/// It refers to the memory that it was decoded from, and is valid for as long as that is.
public struct RequestMessage {
  public var header: RequestHeader
  public var request: Request
  public var extensions: RequestExtensions

  /// Decodes `message`, which is what one read(2) of the device gave. Allocates nothing.
  ///
  /// Errors: `shortHeader`, and those of the other initializer.
  public init(
    _ message: UnsafeRawBufferPointer, _ negotiated: NegotiatedProtocol
  ) throws(DecodingError) {
    guard let parts = RequestParts(message) else {
      throw DecodingError(opcode: nil, .shortHeader(there: message.count))
    }
    try self.init(parts, negotiated)
  }

  /// Decodes a request in one piece or in several. Allocates nothing.
  ///
  /// Errors: `length`, `unknownOpcode`, `foreignByteOrder`, `extensionLength`, `extensionForm`, and those of `Request.init`.
  public init(
    _ parts: RequestParts, _ negotiated: NegotiatedProtocol
  ) throws(DecodingError) {
    let header = RequestHeader(unchecked: parts.header)
    guard header.length == parts.count else {
      throw DecodingError(
        opcode: header.rawOpcode, .length(said: header.length, there: parts.count))
    }
    guard let opcode = header.opcode else {
      let isForeign = header.rawOpcode == Opcode.foreignInitialize
      throw DecodingError(
        opcode: header.rawOpcode, isForeign ? .foreignByteOrder : .unknownOpcode)
    }
    // The field was padding before 7.38.
    let measured = negotiated.minor >= 38 ? header.extensionLength : 0
    guard let (arguments, last) = parts.split(beforeLast: measured) else {
      throw DecodingError(opcode: header.rawOpcode, .extensionLength(measured))
    }
    var extensions = last
    var cursor = PayloadCursor(arguments, of: opcode, negotiated)
    self.header = header
    request = try Request.decode(&cursor)
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
