import IomapCache
import Testing

/// The reply to IOMAP_CONFIG: its fields, and what the kernel refuses in it (fuse-iomap ABI 3.4.7 and 4.2).
@Suite struct ConfigReplyTests {
  private let uuid = Array(0x81...0x90) as [UInt8]

  private var full: IomapWire.ConfigReply {
    IomapWire.ConfigReply(
      identifier: "volume", uuid: IomapWire.VolumeUUID(uuid), blockSize: 0x1112_1314,
      maximumLinks: 0x2122_2324, timeGranularity: 0x3132_3334, timeRange: -5...0x4142_4344_4546,
      maximumBytes: 0x5152_5354_5556_5758, cacheMaximumBytes: 0x6162_6364)
  }

  private var fullLayout: Layout {
    Layout(104).with(0x7F as UInt64, at: 0).with(Array("volume".utf8), at: 8).with(uuid, at: 40)
      .with(16 as UInt8, at: 56).with(0x1112_1314 as UInt32, at: 60)
      .with(0x2122_2324 as UInt32, at: 64).with(0x3132_3334 as UInt32, at: 68)
      .with(-5 as Int64, at: 72).with(0x4142_4344_4546 as Int64, at: 80)
      .with(0x5152_5354_5556_5758 as Int64, at: 88).with(0x6162_6364 as UInt32, at: 96)
  }

  private func decode(
    _ bytes: [UInt8], _ revision: IomapRevision = .v7
  ) throws(IomapWire.ConfigFlaw) -> IomapWire.ConfigReply {
    do {
      return try bytes.withUnsafeBytes { try IomapWire.ConfigReply($0, revision) }
    } catch let flaw as IomapWire.ConfigFlaw {
      throw flaw
    } catch {
      Issue.record(error)
      return IomapWire.ConfigReply()
    }
  }

  @Test func allFieldsOfV7() throws {
    #expect(full.size == 104)
    #expect(full.flags == IomapRevision.v7.configFlags)
    #expect(encoded(104) { full.encode(into: $0) } == fullLayout.bytes)
    #expect(try decode(fullLayout.bytes) == full)
  }

  @Test func withoutTheLimitBothRevisionsTakeIt() throws {
    let reply = full.restricted(to: IomapRevision.v6.configFlags)
    let layout = fullLayout.with(0x3F as UInt64, at: 0)
    #expect(reply.cacheMaximumBytes == nil)
    #expect(reply.size == 96)
    #expect(encoded(96) { reply.encode(into: $0) } == Array(layout.bytes.prefix(96)))
    for revision in IomapRevision.allCases {
      #expect(try decode(Array(layout.bytes.prefix(96)), revision) == reply)
    }
  }

  @Test func nothingThatWasNotOfferedIsSent() {
    for bit in 0..<7 {
      let only = IomapWire.ConfigFlags(rawValue: 1 << bit)
      #expect(full.restricted(to: only).flags == only)
      let all = IomapRevision.v7.configFlags
      #expect(full.restricted(to: all.subtracting(only)).flags == all.subtracting(only))
    }
    #expect(full.restricted(to: []) == IomapWire.ConfigReply())
  }

  @Test func nothingSetIsAllZero() {
    let reply = IomapWire.ConfigReply()
    #expect(encoded(96) { reply.encode(into: $0) } == Layout(96).bytes)
  }

  @Test func timesGoTogetherOrNotAtAll() {
    #expect(IomapWire.ConfigReply(timeGranularity: 1).flags == [])
    #expect(IomapWire.ConfigReply(timeRange: 0...1).flags == [])
    #expect(IomapWire.ConfigReply(timeGranularity: 1, timeRange: 0...1).flags == .time)
  }

  @Test func identifiersAreCutOff() throws {
    let long = IomapWire.ConfigReply(identifier: String(repeating: "x", count: 40))
    let bytes = encoded(96) { long.encode(into: $0) }
    #expect(bytes[38] == UInt8(ascii: "x") && bytes[39] == 0 && bytes[40] == 0)
    #expect(try decode(bytes).identifier == String(repeating: "x", count: 31))
    let odd = IomapWire.ConfigReply(identifier: "a\0b")
    #expect(try decode(encoded(96) { odd.encode(into: $0) }).identifier == "a")
  }

  @Test func whatIsMissingAtTheEndIsZero() throws {
    let short = Layout(8).with(0x06 as UInt64, at: 0)
    let reply = try decode(short.bytes, .v6)
    #expect(reply.blockSize == 0)
    #expect(reply.uuid == IomapWire.VolumeUUID([UInt8](repeating: 0, count: 16)))
    #expect(try decode([]) == IomapWire.ConfigReply())
  }

  @Test func tooLong() {
    #expect(throws: IomapWire.ConfigFlaw.tooLong) { try decode(fullLayout.bytes, .v6) }
    #expect(throws: IomapWire.ConfigFlaw.tooLong) { try decode(fullLayout.bytes + [0], .v7) }
  }

  @Test func flagsThatTheKernelDoesNotKnow() {
    #expect(throws: IomapWire.ConfigFlaw.unknownFlags) {
      try decode(Array(fullLayout.bytes.prefix(96)), .v6)
    }
    #expect(throws: IomapWire.ConfigFlaw.unknownFlags) {
      try decode(fullLayout.with(0x80 as UInt64, at: 0).bytes)
    }
  }

  @Test func longUUIDsEvenWithoutTheFlag() {
    #expect(throws: IomapWire.ConfigFlaw.longUUID) {
      try decode(Layout(96).with(17 as UInt8, at: 56).bytes)
    }
  }

  @Test(arguments: 57..<60)
  func paddingEvenWithoutFlags(_ offset: Int) {
    #expect(throws: IomapWire.ConfigFlaw.padding) {
      try decode(Layout(96).with(1 as UInt8, at: offset).bytes)
    }
  }

  @Test func timesInTheWrongOrder() {
    #expect(throws: IomapWire.ConfigFlaw.timeRange) {
      try decode(fullLayout.with(-6 as Int64, at: 80).bytes)
    }
  }

  @Test func uuidsHaveSixteenBytes() {
    #expect(IomapWire.VolumeUUID(uuid) != nil)
    #expect(uuid.withUnsafeBytes { IomapWire.VolumeUUID($0) } == IomapWire.VolumeUUID(uuid))
    #expect(IomapWire.VolumeUUID(uuid.dropLast()) == nil)
    #expect(IomapWire.VolumeUUID(uuid + [0]) == nil)
    #expect(uuid.dropLast().withUnsafeBytes { IomapWire.VolumeUUID($0) } == nil)
  }
}
