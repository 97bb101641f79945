import IomapCache
import Testing

/// Every example of section 9 of the fuse-iomap ABI, whole messages, both ways.
@Suite struct WireExamplesTests {
  private let device = DeviceCookie(rawValue: 1)
  private let node = IomapNode(nodeID: 12, attributeInode: 12)

  /// The allocated blocks that the BEGIN examples are about.
  private var allocated: Mapping {
    Mapping(
      offset: FileOffset(0x12000), length: 0x3000, address: DeviceOffset(0x241_2000),
      kind: .unwritten, flags: .dirty, device: device)
  }

  private func request<P: IomapWire.Payload>(_ header: IomapWire.InHeader, _ payload: P) -> [UInt8]
  {
    encoded(40) { header.encode(into: $0) } + encoded(P.size) { payload.encode(into: $0) }
  }

  private func reply(_ unique: UInt64, _ payload: [UInt8], error: Int32 = 0) -> [UInt8] {
    let header = IomapWire.OutHeader(payloadSize: payload.count, error: error, unique: unique)
    return encoded(16) { header.encode(into: $0) } + payload
  }

  private func payload<P>(
    of message: [UInt8], behind header: Int, _ decode: (UnsafeRawBufferPointer) -> P?
  ) -> P? {
    message.withUnsafeBytes { decode(UnsafeRawBufferPointer(rebasing: $0[header...])) }
  }

  @Test func upsert() {
    let expected = hex(
      """
      60 00 00 00 64 00 00 00 00 00 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 0c 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 00 00 01 00 00 00 00 00
      00 00 40 02 00 00 00 00 02 00 00 00 01 00 00 00
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 fd 00 00 00 00 00 00 00
      """)
    let read = Mapping(
      offset: FileOffset(0), length: 0x10000, address: DeviceOffset(0x240_0000), kind: .mapped,
      flags: [], device: device)
    let upsert = IomapWire.UpsertNotification(node: node, read: read, write: .noCache)
    #expect(encoded(96) { upsert.encodeMessage(into: $0) } == expected)
    #expect(upsert.withMessage { Array($0) } == expected)
    #expect(expected.withUnsafeBytes { IomapWire.UpsertNotification(message: $0) } == upsert)
  }

  @Test func invalidation() {
    let expected = hex(
      """
      40 00 00 00 65 00 00 00 00 00 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 0c 00 00 00 00 00 00 00
      00 10 00 00 00 00 00 00 ff ff ff ff ff ff ff ff
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      """)
    let invalidation = IomapWire.InvalidationNotification(
      node: node, read: .toEndOfFile(from: FileOffset(4096)), write: nil)
    #expect(invalidation.withMessage { Array($0) } == expected)
    #expect(
      expected.withUnsafeBytes { IomapWire.InvalidationNotification(message: $0) } == invalidation)
  }

  @Test func deviceInvalidation() {
    let expected = hex(
      """
      28 00 00 00 63 00 00 00 00 00 00 00 00 00 00 00
      01 00 00 00 00 00 00 00 00 00 40 02 00 00 00 00
      00 40 00 00 00 00 00 00
      """)
    let invalidation = IomapWire.DeviceInvalidationNotification(
      device: device, offset: DeviceOffset(0x240_0000), length: 0x4000)
    #expect(invalidation.withMessage { Array($0) } == expected)
    #expect(
      expected.withUnsafeBytes { IomapWire.DeviceInvalidationNotification(message: $0) }
        == invalidation)
  }

  @Test func beginRequest() {
    let expected = hex(
      """
      48 00 00 00 fe 0f 00 00 a4 01 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 e8 03 00 00 e8 03 00 00
      92 10 00 00 00 00 00 00 01 00 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 45 23 01 00 00 00 00 00
      00 20 00 00 00 00 00 00
      """)
    let header = IomapWire.InHeader(
      payloadSize: 32, opcode: .begin, unique: 0x1A4, nodeID: 12, userID: 1000, groupID: 1000,
      processID: 4242)
    let begin = IomapWire.BeginRequest(
      operation: .write, attributeInode: 12, position: 0x12345, count: 0x2000)
    #expect(request(header, begin) == expected)
    #expect(payload(of: expected, behind: 0) { IomapWire.InHeader($0) } == header)
    #expect(payload(of: expected, behind: 40) { IomapWire.BeginRequest($0) } == begin)
  }

  @Test func directReply() {
    let expected = hex(
      """
      50 00 00 00 00 00 00 00 a4 01 00 00 00 00 00 00
      00 20 01 00 00 00 00 00 00 30 00 00 00 00 00 00
      00 20 41 02 00 00 00 00 03 00 02 00 01 00 00 00
      00 20 01 00 00 00 00 00 00 30 00 00 00 00 00 00
      ff ff ff ff ff ff ff ff ff 00 00 00 00 00 00 00
      """)
    let answer = IomapWire.BeginReply(.pureOverwrite(allocated))
    #expect(reply(0x1A4, encoded(64) { answer.encode(into: $0) }) == expected)
    #expect(payload(of: expected, behind: 16) { IomapWire.BeginReply($0) } == answer)
  }

  @Test func preferredReply() {
    let expected = hex(
      """
      50 00 00 00 00 00 00 00 a4 01 00 00 00 00 00 00
      00 20 01 00 00 00 00 00 00 30 00 00 00 00 00 00
      ff ff ff ff ff ff ff ff fe 00 00 00 00 00 00 00
      00 20 01 00 00 00 00 00 00 30 00 00 00 00 00 00
      ff ff ff ff ff ff ff ff ff 00 00 00 00 00 00 00
      """)
    let answer = IomapWire.BeginReply(.retryCache(covering: allocated))
    #expect(reply(0x1A4, encoded(64) { answer.encode(into: $0) }) == expected)
    #expect(payload(of: expected, behind: 16) { IomapWire.BeginReply($0) } == answer)
  }

  @Test func errorReply() {
    let expected = hex("10 00 00 00 e4 ff ff ff a4 01 00 00 00 00 00 00")
    #expect(reply(0x1A4, [], error: -28) == expected)
    #expect(
      payload(of: expected, behind: 0) { IomapWire.OutHeader($0) }
        == IomapWire.OutHeader(payloadSize: 0, error: -28, unique: 0x1A4))
  }

  private var ioEnd: IomapWire.IOEndRequest {
    IomapWire.IOEndRequest(
      flags: [.writeback, .append, .unwritten], attributeInode: 12, position: 0x12000,
      newAddress: 0x12090, written: 0x2345, device: device)
  }

  @Test func ioEndRequestOfV7() {
    let expected = hex(
      """
      58 00 00 00 fd 0f 00 00 b2 01 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 32 00 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 00 20 01 00 00 00 00 00
      90 20 01 00 00 00 00 00 45 23 00 00 00 00 00 00
      01 00 00 00 00 00 00 00
      """)
    let header = IomapWire.InHeader(
      payloadSize: 48, opcode: .ioEnd, unique: 0x1B2, nodeID: 12)
    let message =
      encoded(40) { header.encode(into: $0) } + encoded(48) { ioEnd.encode(into: $0, for: .v7) }
    #expect(message == expected)
    #expect(payload(of: expected, behind: 40) { IomapWire.IOEndRequest($0, .v7) } == ioEnd)
  }

  @Test func ioEndRequestOfV6() {
    let expected = hex(
      """
      50 00 00 00 fd 0f 00 00 b2 01 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 22 00 00 00 00 00 00 00
      0c 00 00 00 00 00 00 00 00 20 01 00 00 00 00 00
      90 20 01 00 00 00 00 00 45 23 00 00 00 00 00 00
      """)
    var ioEnd = ioEnd
    ioEnd.flags.remove(.append)
    let header = IomapWire.InHeader(
      payloadSize: 40, opcode: .ioEnd, unique: 0x1B2, nodeID: 12)
    let message =
      encoded(40) { header.encode(into: $0) } + encoded(40) { ioEnd.encode(into: $0, for: .v6) }
    #expect(message == expected)
    ioEnd.device = .none
    #expect(payload(of: expected, behind: 40) { IomapWire.IOEndRequest($0, .v6) } == ioEnd)
  }

  @Test func ioEndReplies() {
    let answer = IomapWire.IOEndReply(newSize: 0x14345)
    func message(_ revision: IomapRevision) -> [UInt8] {
      reply(0x1B2, encoded(revision.ioEndReplySize) { answer.encode(into: $0, for: revision) })
    }
    let v7 = hex("18 00 00 00 00 00 00 00 b2 01 00 00 00 00 00 00 45 43 01 00 00 00 00 00")
    #expect(message(.v7) == v7)
    #expect(message(.v6) == hex("10 00 00 00 00 00 00 00 b2 01 00 00 00 00 00 00"))
    #expect(payload(of: v7, behind: 16) { IomapWire.IOEndReply($0, .v7) } == answer)
  }

  @Test(arguments: IomapRevision.allCases)
  func configRequest(_ revision: IomapRevision) {
    let isV7 = revision == .v7
    let expected = hex(
      """
      68 00 00 00 fc 0f 00 00 04 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 \(isV7 ? "7f" : "3f") 00 00 00 00 00 00 00
      ff ff ff ff ff ff ff 7f 00 00 \(isV7 ? "04" : "00") 00 00 00 00 00
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00
      """)
    let header = IomapWire.InHeader(payloadSize: 64, opcode: .config, unique: 4, nodeID: 0)
    let config = IomapWire.ConfigRequest(
      flags: revision.configFlags, maximumBytes: .max, cacheMaximumBytes: isV7 ? 0x40000 : nil)
    #expect(request(header, config) == expected)
    #expect(payload(of: expected, behind: 40) { IomapWire.ConfigRequest($0) } == config)
    #expect(config.revision == revision)
  }

  @Test func configReply() throws {
    let expected = hex(
      """
      70 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00
      36 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      c0 ff ee 00 11 22 33 44 55 66 77 88 99 aa bb cc
      10 00 00 00 00 10 00 00 00 00 00 00 01 00 00 00
      00 00 00 80 ff ff ff ff ff ff ff 7f 03 00 00 00
      00 f0 ff ff ff 0f 00 00
      """)
    let config = IomapWire.ConfigReply(
      uuid: IomapWire.VolumeUUID(hex("c0ffee00112233445566778899aabbcc")), blockSize: 4096,
      timeGranularity: 1, timeRange: -0x8000_0000...0x3_7FFF_FFFF,
      maximumBytes: ((1 << 32) - 1) << 12)
    #expect(config.size == 96)
    #expect(reply(4, encoded(96) { config.encode(into: $0) }) == expected)
    for revision in IomapRevision.allCases {
      #expect(
        try expected.dropFirst(16).withUnsafeBytes { try IomapWire.ConfigReply($0, revision) }
          == config)
    }
  }
}
