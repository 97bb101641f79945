import FuseProtocol
import Testing

/// Names end at their first NUL.
@Suite struct NameRuleTests {
  private func failure(_ opcode: Opcode, _ payload: [UInt8]) -> DecodingError.Flaw? {
    FuseProtocolTests.failure(message(opcode.rawValue, payload))?.flaw
  }

  @Test(arguments: [Opcode.lookup, .unlink, .rmdir, .removexattr])
  func aNameWithoutAnEnd(_ opcode: Opcode) {
    #expect(failure(opcode, fields("name: \"abc\"")) == .unterminatedName)
    #expect(failure(opcode, []) == .unterminatedName)
  }

  @Test(arguments: [Opcode.lookup, .unlink, .rmdir, .removexattr])
  func aNULWithinAName(_ opcode: Opcode) {
    #expect(failure(opcode, fields("name: \"ab\" 00 63 00")) == .excess(2))
    #expect(failure(opcode, [0, 0]) == .excess(1))
  }

  @Test func theSecondName() {
    #expect(failure(.symlink, fields("name: \"a\" 00")) == .unterminatedName)
    #expect(failure(.symlink, fields("name: \"a\" 00 62")) == .unterminatedName)
    #expect(failure(.symlink, fields("name: \"a\" 00 62 00 00")) == .excess(1))
    let directory = [UInt8](repeating: 1, count: 8)
    #expect(failure(.rename, directory + [0x61, 0]) == .unterminatedName)
    #expect(failure(.rename, directory + [0x61, 0, 0x62, 0, 0x63, 0]) == .excess(2))
  }

  /// Whether names may be empty, or have a slash, is for the file system to say.
  @Test func whatANameIsMadeOf() throws {
    for name: [UInt8] in [
      [], [0x2F], [0x2E, 0x2E], [0xFF, 0xFE], Array(repeating: 0x61, count: 5000),
    ] {
      try (name + [0]).withUnsafeBytes { bytes in
        let request = try Request(.lookup, bytes, NegotiatedProtocol(minor: 45))
        guard case .lookup(let lookup) = request else { throw Golden.Mismatch() }
        #expect(Array(lookup.name) == name)
      }
    }
  }

  /// Nothing is copied: names and data are parts of the message.
  @Test func areBorrowed() throws {
    try (fields("size: 03 00 00 00 00 00 00 00") + fields("name: \"n\" 00 76 76 76"))
      .withUnsafeBytes { bytes in
        let request = try Request(.setxattr, bytes, NegotiatedProtocol(minor: 45))
        guard case .setxattr(let attribute) = request else { throw Golden.Mismatch() }
        #expect(attribute.name.baseAddress == bytes.baseAddress! + 8)
        #expect(attribute.value.baseAddress == bytes.baseAddress! + 10)
      }
  }

  @Test(arguments: [
    (Opcode.write, 40, 16), (.setxattr, 8, 0), (.ioctl, 32, 24), (.notifyReply, 40, 16),
    (.batchForget, 8, 0), (.removemapping, 4, 0),
  ])
  func aSizeThatIsTooLarge(opcode: Opcode, structure: Int, place: Int) {
    var payload = [UInt8](repeating: 0, count: structure)
    if opcode == .setxattr { payload += [0x61, 0] }
    for byte in place..<(place + 4) { payload[byte] = 0xFF }
    let unit = opcode == .batchForget || opcode == .removemapping ? 16 : 1
    #expect(
      failure(opcode, payload + [1, 2, 3])
        == .truncated(needed: Int(UInt32.max) * unit, there: 3))
  }
}
