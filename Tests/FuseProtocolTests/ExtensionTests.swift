import FuseProtocol
import Testing

/// What follows the arguments of requests that make files: security contexts and supplementary groups.
@Suite struct ExtensionTests {
  private let name = fields(
    """
    mode: ed 01 00 00
    umask: 12 00 00 00
    name: "d" 00
    """)
  /// struct fuse_secctx_header, then struct fuse_secctx, the name and the value.
  private let context = fields(
    """
    size: 28 00 00 00
    nr_secctx: 01 00 00 00
    secctx.size: 05 00 00 00
    secctx.padding: 00 00 00 00
    name: "security.x" 00
    value: 61 3a 62 3a 63
    align: 00 00 00 00 00 00 00 00
    """)
  /// struct fuse_ext_header, then struct fuse_supp_groups.
  private let groups = fields(
    """
    size: 18 00 00 00
    type: 20 00 00 00
    nr_groups: 02 00 00 00
    group: 64 00 00 00
    group: 65 00 00 00
    align: 00 00 00 00
    """)

  private func decode<T>(
    _ extensions: [UInt8], minor: UInt32 = 45, flags: InitFlags = [], isMeasured: Bool = true,
    opcode: Opcode = .mkdir, _ body: (RequestMessage) throws -> T
  ) throws -> T {
    try message(
      opcode.rawValue, name + extensions, extensionLength: isMeasured ? UInt16(extensions.count) : 0
    ).withUnsafeBytes {
      try body(RequestMessage($0, NegotiatedProtocol(minor: minor, flags: flags)))
    }
  }

  private func flaw(_ extensions: [UInt8]) -> DecodingError.Flaw? {
    failure(
      message(Opcode.mkdir.rawValue, name + extensions, extensionLength: UInt16(extensions.count)))?
      .flaw
  }

  private func expectContext(_ message: RequestMessage) throws {
    let contexts = try #require(message.extensions.securityContexts)
    #expect(contexts.count == 1)
    #expect(contexts.map { text($0.name) } == ["security.x"])
    #expect(contexts.map { text($0.value) } == ["a:b:c"])
    guard case .mkdir(let directory) = message.request else { throw Golden.Mismatch() }
    #expect(text(directory.name) == "d")
  }

  @Test func securityContexts() throws {
    try decode(context) { message in
      try expectContext(message)
      #expect(message.extensions.supplementaryGroups == nil)
    }
  }

  @Test func supplementaryGroups() throws {
    try decode(groups) { message in
      #expect(message.extensions.supplementaryGroups.map(Array.init) == [100, 101])
      #expect(message.extensions.securityContexts == nil)
    }
  }

  @Test func bothInEitherOrder() throws {
    for extensions in [context + groups, groups + context] {
      try decode(extensions) { message in
        try expectContext(message)
        #expect(message.extensions.supplementaryGroups.map(Array.init) == [100, 101])
      }
    }
  }

  @Test func severalContexts() throws {
    let two = fields(
      """
      size: 38 00 00 00
      nr_secctx: 02 00 00 00
      secctx.size: 01 00 00 00
      secctx.padding: 00 00 00 00
      name: "sec.aa" 00
      value: 61
      secctx.size: 00 00 00 00
      secctx.padding: 00 00 00 00
      name: "sec.b" 00
      align: 00 00
      align: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      """)
    try decode(two) { message in
      let contexts = try #require(message.extensions.securityContexts)
      #expect(contexts.map { text($0.name) } == ["sec.aa", "sec.b"])
      #expect(contexts.map { text($0.value) } == ["a", ""])
    }
  }

  @Test func noContextsAtAll() throws {
    try decode(fields("size: 08 00 00 00 00 00 00 00")) { message in
      #expect(message.extensions.securityContexts?.count == 0)
    }
  }

  @Test func unknownTypesArePassedOver() throws {
    let unknown = fields("size: 0c 00 00 00 21 00 00 00 ff ff ff ff 00 00 00 00")
    try decode(unknown + groups) { message in
      #expect(message.extensions.supplementaryGroups.map(Array.init) == [100, 101])
    }
  }

  /// In 7.36 and 7.37 the header did not say how long extensions are.
  @Test(arguments: [UInt32(36), 37]) func contextsBeforeTheirLengthWasTold(minor: UInt32) throws {
    try decode(context, minor: minor, flags: .securityContext, isMeasured: false) {
      try expectContext($0)
    }
    #expect(
      failure(
        message(Opcode.mkdir.rawValue, name + context), NegotiatedProtocol(minor: minor))?.flaw
        == .excess(context.count))
  }

  /// Where the field was padding, it says nothing.
  @Test func theLengthBeforeItWasOne() {
    let bytes = message(Opcode.mkdir.rawValue, name + groups, extensionLength: 24)
    #expect(failure(bytes, NegotiatedProtocol(minor: 37))?.flaw == .excess(24))
    #expect(failure(bytes, NegotiatedProtocol(minor: 38)) == nil)
  }

  @Test func aLengthThatIsNotThere() {
    let bytes = message(Opcode.statfs.rawValue, [], extensionLength: 8)
    #expect(failure(bytes)?.flaw == .extensionLength(8))
    // It reaches into the arguments, which are then too short.
    let far = message(Opcode.mkdir.rawValue, name + context, extensionLength: 48)
    #expect(failure(far)?.flaw.isTruncation == true)
  }

  @Test func malformedOnes() {
    // Smaller than its own header.
    #expect(flaw(fields("size: 07 00 00 00 20 00 00 00")) == .extensionForm(offset: 0))
    // Larger than what there is.
    #expect(flaw(fields("size: 10 00 00 00 21 00 00 00")) == .extensionForm(offset: 0))
    // More groups than there are.
    var many = groups
    many[8] = 4
    #expect(flaw(many) == .extensionForm(offset: 0))
    many[11] = 0xFF
    #expect(flaw(many) == .extensionForm(offset: 0))
    // A second one behind a good first.
    #expect(flaw(groups + many) == .extensionForm(offset: 24))
    // A context that is longer than the extension, and one without the end of its name.
    var long = context
    long[8] = 0x0E
    #expect(flaw(long) == .extensionForm(offset: 0))
    var endless = context
    for index in 26..<40 { endless[index] = 0x61 }
    #expect(flaw(endless) == .extensionForm(offset: 0))
    // More contexts than there are.
    var counted = context
    counted[4] = 2
    #expect(flaw(counted) == .extensionForm(offset: 0))
  }
}
