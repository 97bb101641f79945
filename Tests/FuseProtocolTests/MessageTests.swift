import FuseProtocol
import Testing

/// Whole requests: the header, and what may be wrong with it.
@Suite struct MessageTests {
  @Test func theHeader() throws {
    let bytes = fields(
      """
      len: 30 00 00 00
      opcode: 0d 00 00 00
      unique: 06 00 00 00 00 00 00 80
      nodeid: 01 02 03 04 05 06 07 08
      uid: e8 03 00 00
      gid: ff ff ff ff
      pid: 92 10 00 00
      total_extlen: 03 00
      padding: ff ff
      payload: 00 00 00 00 00 00 00 00
      """)
    let header = try #require(bytes.withUnsafeBytes { RequestHeader($0) })
    #expect(header.length == 48 && header.rawOpcode == 13 && header.opcode == .link)
    #expect(header.unique == 0x8000_0000_0000_0006 && header.isResent)
    #expect(header.nodeID == 0x0807_0605_0403_0201)
    #expect(header.userID == 1000 && header.groupID == .max && header.processID == 4242)
    #expect(header.extensionLength == 24)
  }

  @Test(arguments: 0..<40) func aHeaderThatIsCutOff(length: Int) {
    let bytes = Array(message(17, [])[..<length])
    #expect(bytes.withUnsafeBytes { RequestHeader($0) } == nil)
    #expect(failure(bytes) == DecodingError(opcode: nil, .shortHeader(there: length)))
  }

  @Test(arguments: Golden.all) func isDecodedBehindItsHeader(_ golden: Golden) throws {
    try message(golden.opcode.rawValue, golden.payload).withUnsafeBytes { bytes in
      let message = try RequestMessage(bytes, golden.negotiated)
      #expect(message.header.opcode == golden.opcode && message.header.nodeID == 5)
      #expect(message.extensions.securityContexts == nil)
      try golden.check(message.request)
    }
  }

  @Test(arguments: [0, 39, 40, 45, 47, UInt32.max]) func aLengthThatIsNotTrue(said: UInt32) {
    let bytes = message(1, fields("name: \"abcde\" 00"), length: Int(said))
    #expect(failure(bytes) == DecodingError(opcode: 1, .length(said: said, there: 46)))
  }

  @Test(arguments: [0, 7, 19, 54, 99, 4088, 4096, 1_048_576, UInt32.max])
  func anUnknownOperation(opcode: UInt32) {
    #expect(failure(message(opcode, [])) == DecodingError(opcode: opcode, .unknownOpcode))
    #expect(failure(message(opcode, [1, 2, 3])) == DecodingError(opcode: opcode, .unknownOpcode))
  }

  /// FUSE_INIT_BSWAP_RESERVED.
  @Test func theOtherByteOrder() {
    #expect(failure(message(436_207_616, [])) == DecodingError(opcode: 26 << 24, .foreignByteOrder))
  }

  @Test func errorsAreSentences() {
    #expect(
      DecodingError(opcode: 1, .unterminatedName).description == "LOOKUP: a name has no end")
    #expect(
      DecodingError(opcode: 54, .unknownOpcode).description
        == "operation 54: the protocol has no such operation")
    #expect(
      DecodingError(opcode: nil, .shortHeader(there: 3)).description
        == "request: 3 bytes, and a header has 40")
  }
}
