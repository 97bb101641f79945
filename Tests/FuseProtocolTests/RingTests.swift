import FuseProtocol
import Testing

/// Requests in parts, as FUSE over io_uring has them.
@Suite struct RingTests {
  /// Bytes of the structure that the arguments begin with, which the kernel keeps apart (`in_args[0]`); nil for what never comes that way.
  private func structureSize(_ golden: Golden) -> Int? {
    switch golden.opcode {
    case .initialize, .forget, .batchForget, .interrupt, .notifyReply: nil
    case .lookup, .unlink, .rmdir, .symlink, .removexattr: 0
    case .rename, .link: 8
    case .mkdir: 8
    case .setxattr: golden.negotiated.flags.contains(.setxattrExtension) ? 16 : 8
    case .getxattr: 8
    case .rename2: 16
    case .mknod, .create, .tmpfile: golden.negotiated.minor < 12 ? 8 : 16
    case .write: golden.negotiated.minor < 9 ? 24 : 40
    case .ioctl: 32
    case .removemapping: 4
    default: golden.payload.count
    }
  }

  /// A header area as the kernel fills it.
  private func area(
    _ message: [UInt8], structure: Int, payloadSize: UInt32? = nil, commitID: UInt64 = 77
  ) -> [UInt8] {
    var area = [UInt8](repeating: 0xEE, count: RingHeader.size)
    area.replaceSubrange(0..<40, with: message[..<40])
    area.replaceSubrange(128..<(128 + structure), with: message[40..<(40 + structure)])
    area.withUnsafeMutableBytes {
      $0.storeBytes(of: commitID, toByteOffset: 264, as: UInt64.self)
      $0.storeBytes(
        of: payloadSize ?? UInt32(message.count - 40 - structure), toByteOffset: 272,
        as: UInt32.self)
    }
    return area
  }

  @Test(arguments: Golden.all) func isDecodedFromItsParts(_ golden: Golden) throws {
    guard let structure = structureSize(golden), structure <= golden.payload.count else { return }
    let message = message(golden.opcode.rawValue, golden.payload)
    var area = area(message, structure: structure)
    // The place for the payload is larger than what is in it.
    let payload = Array(message[(40 + structure)...]) + [0x55, 0, 0x55]
    try area.withUnsafeMutableBytes { area in
      try payload.withUnsafeBytes { payload in
        let header = RingHeader(area)
        #expect(header.commitID == 77)
        let parts = try #require(header.request(payload))
        #expect(parts.count == message.count && parts.arguments.count == structure)
        let decoded = try RequestMessage(parts, golden.negotiated)
        #expect(decoded.header.opcode == golden.opcode && decoded.header.nodeID == 5)
        try golden.check(decoded.request)
      }
    }
  }

  /// Wherever a request is cut in two, it is what it was, or an error: an argument lies in one piece.
  @Test(arguments: Golden.all) func isCutAnywhere(_ golden: Golden) throws {
    for cut in 0...min(golden.payload.count, 128) {
      let message = message(golden.opcode.rawValue, golden.payload)
      var area = area(message, structure: cut)
      let payload = Array(message[(40 + cut)...])
      try area.withUnsafeMutableBytes { area in
        try payload.withUnsafeBytes { payload in
          let parts = try #require(RingHeader(area).request(payload))
          guard let decoded = try? RequestMessage(parts, golden.negotiated) else { return }
          try golden.check(decoded.request)
        }
      }
    }
  }

  @Test func sizesThatContradictEachOther() throws {
    let message = message(1, fields("name: \"abc\" 00"))
    let payload = Array(message[40...]) + [0, 0, 0, 0]
    func request(structure: Int = 0, payloadSize: UInt32, length: UInt32 = 44) -> Int? {
      var area = area(message, structure: structure, payloadSize: payloadSize)
      area.withUnsafeMutableBytes { $0.storeBytes(of: length, as: UInt32.self) }
      return area.withUnsafeMutableBytes { area in
        payload.withUnsafeBytes { RingHeader(area).request($0)?.arguments.count }
      }
    }
    #expect(request(payloadSize: 4) == 0)
    #expect(request(payloadSize: 0) == 4)
    // More than the request has, more than there is room for.
    #expect(request(payloadSize: 5) == nil)
    #expect(request(payloadSize: 9, length: 49) == nil)
    #expect(request(payloadSize: .max, length: .max) == nil)
    #expect(request(payloadSize: 4, length: 39) == nil)
    #expect(request(payloadSize: 4, length: 0) == nil)
    // A structure for which there is no room.
    #expect(request(payloadSize: 4, length: 44 + 128) == 128)
    #expect(request(payloadSize: 4, length: 44 + 129) == nil)
  }

  @Test func extensionsOfARequestInParts() throws {
    let groups = fields(
      """
      size: 10 00 00 00
      type: 20 00 00 00
      count: 01 00 00 00
      group: e8 03 00 00
      """)
    let arguments = fields(
      """
      mode: ed 41 00 00
      umask: 12 00 00 00
      name: "d" 00
      """)
    let message = message(9, arguments + groups, extensionLength: 16)
    var area = area(message, structure: 8)
    let payload = Array(message[48...])
    try area.withUnsafeMutableBytes { area in
      try payload.withUnsafeBytes { payload in
        let parts = try #require(RingHeader(area).request(payload))
        let decoded = try RequestMessage(parts, NegotiatedProtocol(minor: 42))
        #expect(decoded.extensions.supplementaryGroups.map(Array.init) == [1000])
        guard case .mkdir(let directory) = decoded.request else { throw Golden.Mismatch() }
        #expect(text(directory.name) == "d")
      }
    }
  }

  @Test func replies() {
    var area = [UInt8](repeating: 0xEE, count: RingHeader.size)
    area.withUnsafeMutableBytes { area in
      RingHeader(area).reply(
        ReplyHeader(payloadSize: 5, error: -2, unique: 0x0102_0304_0506_0708), payloadSize: 5)
    }
    #expect(
      Array(area[..<17])
        == fields(
          """
          len: 15 00 00 00
          error: fe ff ff ff
          unique: 08 07 06 05 04 03 02 01
          op_in: ee
          """))
    #expect(area[271] == 0xEE && Array(area[272..<276]) == [5, 0, 0, 0] && area[276] == 0xEE)
  }

  @Test func commands() {
    let bytes = encoded(24) {
      RingCommand(queue: 0x0201, commitID: 0x0A0B_0C0D_0E0F_1011).encode(into: $0)
    }
    #expect(
      bytes
        == fields(
          """
          flags: 00 00 00 00 00 00 00 00
          commit_id: 11 10 0f 0e 0d 0c 0b 0a
          qid: 01 02
          padding: 00 00 00 00 00 00
          """))
    #expect(RingCommand.Operation.register.rawValue == 1)
    #expect(RingCommand.Operation.commitAndFetch.rawValue == 2)
  }
}
