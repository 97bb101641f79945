import FuseProtocol
import Testing

@Suite struct InitializeReplyTests {
  private let reply = Reply.Initialize(
    maximumReadahead: 0x20000, flags: [.asyncRead, .extended, .passthrough, .requestTimeout],
    maximumBackground: 64, congestionThreshold: 48, maximumWrite: 1 << 20, timeGranularity: 100,
    maximumPages: 256, mapAlignment: 21, maximumStackDepth: 1, requestTimeout: 30)

  private let dump = """
    major: 07 00 00 00
    minor: 2d 00 00 00
    max_readahead: 00 00 02 00
    flags: 01 00 00 40
    max_background: 40 00
    congestion_threshold: 30 00
    max_write: 00 00 10 00
    time_gran: 64 00 00 00
    max_pages: 00 01
    map_alignment: 15 00
    flags2: 20 04 00 00
    max_stack_depth: 01 00 00 00
    request_timeout: 1e 00
    unused: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    """

  @Test func allOfIt() {
    let expected = fields(dump)
    #expect(expected.count == 64)
    #expect(encoded(64) { reply.encode(into: $0, at: 45) } == expected)
    #expect(expected.withUnsafeBytes { Reply.Initialize($0, at: 45) } == reply)
  }

  @Test(arguments: [(UInt32(4), 8), (5, 24), (22, 24), (23, 64), (99, 64)])
  func asLongAsTheMinorHasIt(minor: UInt32, size: Int) {
    #expect(Reply.Initialize.size(at: minor) == size)
    #expect(
      encoded(size + 1) { reply.encode(into: $0, at: minor) } == fields(dump)[..<size] + [0xEE])
    for length in 0...65 {
      let read = [UInt8](repeating: 1, count: length).withUnsafeBytes {
        Reply.Initialize($0, at: minor)
      }
      #expect((read != nil) == (length == size))
    }
  }

  /// Without INIT_EXT the second word of flags is not sent.
  @Test func flagsThatHaveNoPlace() {
    var reply = reply
    reply.flags = [.asyncRead, .passthrough]
    #expect(encoded(64) { reply.encode(into: $0, at: 45) }[32..<36] == [0, 0, 0, 0])
  }

  @Test func whatIsAgreedOn() throws {
    let request = try fields(
      """
      major: 07 00 00 00
      minor: 1f 00 00 00
      max_readahead: 00 00 02 00
      flags: 03 00 00 00
      """
    ).withUnsafeBytes {
      try Request.Initialize($0, of: .initialize, NegotiatedProtocol(minor: 0))
    }
    #expect(
      NegotiatedProtocol(request, reply) == NegotiatedProtocol(minor: 31, flags: .asyncRead))
  }
}
