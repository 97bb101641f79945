import IomapCache
import Testing

/// Every structure of section 3 of the fuse-iomap ABI, field by field: each has a value of its own, so that
/// none can pass for another, and what is reserved is zero.
@Suite struct WireLayoutTests {
  private let record = Mapping(
    offset: FileOffset(0x0102_0304_0506_0708), length: 0x1112_1314_1516_1718,
    address: DeviceOffset(0x2122_2324_2526_2728), kind: .inline,
    flags: Mapping.Flags(rawValue: 0x3132), device: DeviceCookie(rawValue: 0x4142_4344))
  private let other = Mapping(
    offset: FileOffset(0x5152_5354_5556_5758), length: 0x6162_6364_6566_6768, address: .null,
    kind: .pureOverwrite, flags: [.stale], device: .none)

  private var recordLayout: Layout {
    Layout(32).with(0x0102_0304_0506_0708 as UInt64, at: 0)
      .with(0x1112_1314_1516_1718 as UInt64, at: 8).with(0x2122_2324_2526_2728 as UInt64, at: 16)
      .with(4 as UInt16, at: 24).with(0x3132 as UInt16, at: 26).with(0x4142_4344 as UInt32, at: 28)
  }
  private var otherLayout: Layout {
    Layout(32).with(0x5152_5354_5556_5758 as UInt64, at: 0)
      .with(0x6162_6364_6566_6768 as UInt64, at: 8).with(UInt64.max, at: 16)
      .with(255 as UInt16, at: 24).with(0x200 as UInt16, at: 26)
  }

  /// Encodes to `layout`, decodes from it (also with more behind it, and where nothing is aligned), and
  /// from nothing shorter.
  private func check<P: IomapWire.Payload>(_ payload: P, _ size: Int, _ layout: Layout) {
    #expect(P.size == size)
    #expect(layout.bytes.count == size)
    #expect(encoded(size) { payload.encode(into: $0) } == layout.bytes)
    #expect(payload.withBytes { Array($0) } == layout.bytes)
    #expect(layout.bytes.withUnsafeBytes { P($0) } == payload)
    let shifted = [0xEE] + layout.bytes + [0xEE]
    #expect(
      shifted.withUnsafeBytes { P(UnsafeRawBufferPointer(rebasing: $0[1...])) } == payload)
    for short in 0..<size {
      #expect(layout.bytes.prefix(short).withUnsafeBytes { P($0) } == nil)
    }
  }

  @Test func mappingRecord() {
    #expect(IomapWire.MappingRecord.size == 32)
    #expect(MemoryLayout<Mapping>.size == 32)
    #expect(
      encoded(32) { IomapWire.MappingRecord.encode(record, into: $0) } == recordLayout.bytes)
    #expect(recordLayout.bytes.withUnsafeBytes { IomapWire.MappingRecord.decode($0) } == record)
  }

  /// Rule 1 of fuse-iomap ABI 4.3.2.
  @Test func mappingTypesThatDoNotExistAreNotDecoded() {
    for type in UInt16(0)...1000 {
      let exists = [0, 1, 2, 3, 4, 253, 254, 255].contains(type)
      recordLayout.with(type, at: 24).bytes.withUnsafeBytes { bytes in
        #expect(IomapWire.MappingRecord.decode(bytes)?.kind.rawValue == (exists ? type : nil))
        do throws(MappingFlaw) {
          let decoded = try IomapWire.MappingRecord.decodeChecked(bytes)
          #expect(exists && decoded.kind.rawValue == type)
        } catch {
          #expect(!exists && error == .unknownKind(type))
        }
      }
    }
  }

  @Test func headers() {
    check(
      IomapWire.InHeader(
        payloadSize: 8, opcode: .end, unique: 0x1112_1314_1516_1718, nodeID: 0x2122_2324_2526_2728,
        userID: 0x31, groupID: 0x32, processID: 0x33), 40,
      Layout(40).with(48 as UInt32, at: 0).with(4095 as UInt32, at: 4)
        .with(0x1112_1314_1516_1718 as UInt64, at: 8).with(0x2122_2324_2526_2728 as UInt64, at: 16)
        .with(0x31 as UInt32, at: 24).with(0x32 as UInt32, at: 28).with(0x33 as UInt32, at: 32))
    check(
      IomapWire.OutHeader(payloadSize: 8, error: -5, unique: 0x1112), 16,
      Layout(16).with(24 as UInt32, at: 0).with(-5 as Int32, at: 4).with(0x1112 as UInt64, at: 8))
  }

  @Test func begin() {
    check(
      IomapWire.BeginRequest(
        operation: [.writeback, .swapFile], attributeInode: 0x1112, position: 0x2122, count: 0x3132),
      32,
      Layout(32).with(0xC000_0000 as UInt32, at: 0).with(0x1112 as UInt64, at: 8)
        .with(0x2122 as UInt64, at: 16).with(0x3132 as UInt64, at: 24))
    check(
      IomapWire.BeginReply(MappingPair(read: record, write: other)), 64,
      Layout(64).with(recordLayout.bytes, at: 0).with(otherLayout.bytes, at: 32))
  }

  @Test func end() {
    check(
      IomapWire.EndRequest(
        operation: .write, attributeInode: 0x1112, position: 0x2122, count: 0x3132, written: -2,
        mapping: record), 72,
      Layout(72).with(1 as UInt32, at: 0).with(0x1112 as UInt64, at: 8)
        .with(0x2122 as UInt64, at: 16).with(0x3132 as UInt64, at: 24).with(-2 as Int64, at: 32)
        .with(recordLayout.bytes, at: 40))
  }

  @Test(arguments: IomapRevision.allCases)
  func ioEnd(_ revision: IomapRevision) {
    let isV7 = revision == .v7
    let size = isV7 ? 48 : 40
    let ioEnd = IomapWire.IOEndRequest(
      flags: [.direct, .shared], error: -28, attributeInode: 0x1112, position: 0x2122,
      newAddress: 0x3132, written: isV7 ? 0x41_0000_4243 : 0x4243,
      device: isV7 ? DeviceCookie(rawValue: 0x51) : .none)
    var layout = Layout(size).with(9 as UInt32, at: 0).with(-28 as Int32, at: 4)
      .with(0x1112 as UInt64, at: 8).with(0x2122 as UInt64, at: 16).with(0x3132 as UInt64, at: 24)
      .with(0x4243 as UInt32, at: 32)
    if isV7 { layout = layout.with(0x41 as UInt32, at: 36).with(0x51 as UInt32, at: 40) }
    #expect(revision.ioEndRequestSize == size)
    #expect(encoded(size) { ioEnd.encode(into: $0, for: revision) } == layout.bytes)
    #expect(layout.bytes.withUnsafeBytes { IomapWire.IOEndRequest($0, revision) } == ioEnd)
    for short in 0..<size {
      #expect(
        layout.bytes.prefix(short).withUnsafeBytes { IomapWire.IOEndRequest($0, revision) } == nil)
    }
  }

  @Test func ioEndOfV6LosesWhatItHasNoRoomFor() {
    let ioEnd = IomapWire.IOEndRequest(
      flags: .writeback, attributeInode: 1, position: 2, newAddress: 3, written: 0x5_0000_0007,
      device: DeviceCookie(rawValue: 9))
    let bytes = encoded(40) { ioEnd.encode(into: $0, for: .v6) }
    let decoded = bytes.withUnsafeBytes { IomapWire.IOEndRequest($0, .v6) }
    #expect(decoded?.written == 7)
    #expect(decoded?.device == DeviceCookie.none)
  }

  @Test func ioEndReply() {
    let reply = IomapWire.IOEndReply(newSize: 0x1112_1314_1516_1718)
    var sizes: [Int] = []
    let bytes = encoded(8) { sizes.append(reply.encode(into: $0, for: .v7)) }
    #expect(bytes == Layout(8).with(0x1112_1314_1516_1718 as UInt64, at: 0).bytes)
    #expect(encoded(0) { sizes.append(reply.encode(into: $0, for: .v6)) } == [])
    #expect(sizes == [8, 0])
    #expect(bytes.withUnsafeBytes { IomapWire.IOEndReply($0, .v7) } == reply)
    #expect(bytes.withUnsafeBytes { IomapWire.IOEndReply($0, .v6) } == nil)
    #expect(bytes.prefix(7).withUnsafeBytes { IomapWire.IOEndReply($0, .v7) } == nil)
  }

  @Test func configRequest() {
    check(
      IomapWire.ConfigRequest(
        flags: IomapWire.ConfigFlags(rawValue: 0xFF), maximumBytes: 0x1112, cacheMaximumBytes: 0x21),
      64,
      Layout(64).with(0xFF as UInt64, at: 0).with(0x1112 as Int64, at: 8).with(
        0x21 as UInt32, at: 16))
    check(
      IomapWire.ConfigRequest(flags: IomapRevision.v6.configFlags, maximumBytes: 0x1112), 64,
      Layout(64).with(0x3F as UInt64, at: 0).with(0x1112 as Int64, at: 8))
  }

  @Test func devices() {
    check(
      IomapWire.BackingMap(fd: 0x1112), 16,
      Layout(16).with(0x1112 as Int32, at: 0).with(1 as UInt32, at: 4))
    check(
      IomapWire.BackingInfo(device: DeviceCookie(rawValue: 0x11), blockSize: 4096), 8,
      Layout(8).with(0x11 as UInt32, at: 0).with(4096 as UInt32, at: 4))
    check(
      IomapWire.Support(flags: [.fileIO, .atomic]), 16, Layout(16).with(3 as UInt64, at: 0))
  }

  @Test func backingMapsThatTheKernelRefusesAreNotDecoded() {
    let good = Layout(16).with(5 as Int32, at: 0).with(1 as UInt32, at: 4)
    func decoded(_ layout: Layout) -> IomapWire.BackingMap? {
      layout.bytes.withUnsafeBytes { IomapWire.BackingMap($0) }
    }
    #expect(decoded(good) == IomapWire.BackingMap(fd: 5))
    #expect(decoded(good.with(0 as UInt32, at: 4))?.purpose == .passthrough)
    #expect(decoded(good.with(2 as UInt32, at: 4)) == nil)
    #expect(decoded(good.with(0x101 as UInt32, at: 4)) == nil)
    #expect(decoded(good.with(1 as UInt64, at: 8)) == nil)
  }

  @Test func freezeAndShutdown() {
    check(IomapWire.FreezeRequest(unlinked: 0x11), 8, Layout(8).with(0x11 as UInt64, at: 0))
    check(IomapWire.ShutdownRequest(flags: 0x12), 8, Layout(8).with(0x12 as UInt64, at: 0))
  }

  @Test func notifications() {
    let node = IomapNode(nodeID: 0x7172, attributeInode: 0x8182)
    let head = { (size: Int) in
      Layout(size).with(0x7172 as UInt64, at: 0).with(0x8182 as UInt64, at: 8)
    }
    check(
      IomapWire.UpsertNotification(node: node, read: record, write: other), 80,
      head(80).with(recordLayout.bytes, at: 16).with(otherLayout.bytes, at: 48))
    check(
      IomapWire.InvalidationNotification(
        node: node, read: InvalidationRange(offset: FileOffset(0x11), length: 0x12),
        write: InvalidationRange(offset: FileOffset(0x13), length: 0x14)), 48,
      head(48).with(0x11 as UInt64, at: 16).with(0x12 as UInt64, at: 24)
        .with(0x13 as UInt64, at: 32).with(0x14 as UInt64, at: 40))
    check(
      IomapWire.DeviceInvalidationNotification(
        device: DeviceCookie(rawValue: 0x11), offset: DeviceOffset(0x12), length: 0x13), 24,
      Layout(24).with(0x11 as UInt32, at: 0).with(0x12 as UInt64, at: 8).with(
        0x13 as UInt64, at: 16))
  }

  @Test func notificationsWithWrongHeadersAreNotDecoded() {
    let message = IomapWire.InvalidationNotification(
      node: IomapNode(nodeID: 1, attributeInode: 1), read: nil, write: nil
    ).withMessage { Layout(64).with(Array($0), at: 0) }
    func isDecoded(_ bytes: [UInt8]) -> Bool {
      bytes.withUnsafeBytes { IomapWire.InvalidationNotification(message: $0) != nil }
    }
    #expect(isDecoded(message.bytes))
    #expect(!isDecoded(message.bytes + [0]))
    #expect(!isDecoded(Array(message.bytes.dropLast())))
    #expect(!isDecoded(message.with(63 as UInt32, at: 0).bytes))
    #expect(!isDecoded(message.with(100 as Int32, at: 4).bytes))
    #expect(!isDecoded(message.with(1 as UInt64, at: 8).bytes))
    let device = IomapWire.DeviceInvalidationNotification(
      device: DeviceCookie(rawValue: 1), offset: DeviceOffset(0), length: 1
    ).withBytes { Layout(24).with(Array($0), at: 0) }
    let reserved = device.with(1 as UInt32, at: 4).bytes
    #expect(reserved.withUnsafeBytes { IomapWire.DeviceInvalidationNotification($0) } == nil)
  }
}
