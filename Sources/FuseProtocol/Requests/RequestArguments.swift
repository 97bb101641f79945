/// The arguments of an operation, as they lie behind the header.
///
/// Names and data are not copied: they are parts of the memory that the request was decoded from, and valid for as long as that is.
public protocol RequestArguments {
  /// Takes the arguments from where `cursor` is. `truncated`, `unterminatedName` or `value` when they are not there.
  init(_ cursor: inout PayloadCursor) throws(DecodingError)
}

extension RequestArguments {
  /// The arguments of a request for `opcode`, whose `payload` is what lies between the header and the extensions. Errors are those of
  /// `Request.init`.
  public init(
    _ payload: UnsafeRawBufferPointer, of opcode: Opcode, _ negotiated: NegotiatedProtocol
  ) throws(DecodingError) {
    var cursor = PayloadCursor(payload, of: opcode, negotiated)
    try self.init(&cursor)
    try cursor.finish()
  }
}
