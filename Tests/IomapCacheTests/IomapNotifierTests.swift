import IomapCache
import SystemPackage
import Testing

/// The semantics of the libfuse patch "enable iomap cache management for lowlevel fuse".
@Suite struct IomapNotifierTests {
  private let channel = RecordingChannel()
  private let node = IomapNode(nodeID: 12, attributeInode: 34)
  private let device = DeviceCookie(rawValue: 1)

  private var mapping: Mapping {
    Mapping(
      offset: FileOffset(0x12000), length: 0x3000, address: DeviceOffset(0x241_2000),
      kind: .mapped, flags: .dirty, device: device)
  }
  private var range: InvalidationRange {
    InvalidationRange(offset: FileOffset(0x1000), length: 0x2000)
  }

  private enum Call: CaseIterable { case upsert, invalidate, invalidateDevice }

  private func make(_ call: Call, _ notifier: IomapNotifier) throws(Errno) {
    switch call {
    case .upsert: try notifier.upsert(node, read: mapping, write: nil)
    case .invalidate: try notifier.invalidate(node, read: range, write: nil)
    case .invalidateDevice:
      try notifier.invalidateDevice(device, at: DeviceOffset(0x1000), length: 0x1000)
    }
  }

  private func counts(_ call: Call, _ notifier: IomapNotifier) -> NotificationCounts {
    switch call {
    case .upsert: notifier.counters.upserts
    case .invalidate: notifier.counters.invalidations
    case .invalidateDevice: notifier.counters.deviceInvalidations
    }
  }

  private func upsert() throws -> IomapWire.UpsertNotification {
    let message = try #require(channel.messages.last)
    return try #require(message.withUnsafeBytes { IomapWire.UpsertNotification(message: $0) })
  }

  private func invalidation() throws -> IomapWire.InvalidationNotification {
    let message = try #require(channel.messages.last)
    return try #require(message.withUnsafeBytes { IomapWire.InvalidationNotification(message: $0) })
  }

  private func slots(_ message: [UInt8]?) -> (read: [UInt8], write: [UInt8]) {
    let message = message ?? []
    let half = (message.count - 32) / 2
    return (Array(message.dropFirst(32).prefix(half)), Array(message.suffix(half)))
  }

  @Test func withoutASessionEINVALAndNothingSent() {
    for minor: UInt32 in [38, 99] {
      let notifier = IomapNotifier(channel: nil, protocolMinor: minor)
      #expect(!notifier.isAvailable)
      for call in Call.allCases {
        #expect(throws: Errno.invalidArgument) { try make(call, notifier) }
        #expect(counts(call, notifier) == NotificationCounts(failures: [.invalidArgument: 1]))
      }
      #expect(throws: Errno.invalidArgument) { try notifier.upsert(node, read: nil, write: nil) }
      #expect(throws: Errno.invalidArgument) {
        try notifier.invalidate(node, read: nil, write: nil)
      }
    }
  }

  @Test(arguments: [0, 38, 45, 98] as [UInt32])
  func beforeMinor99ENOSYSAndNothingSent(_ minor: UInt32) {
    let notifier = IomapNotifier(channel: channel, protocolMinor: minor)
    #expect(!notifier.isAvailable)
    for call in Call.allCases {
      #expect(throws: Errno.noFunction) { try make(call, notifier) }
      #expect(counts(call, notifier) == NotificationCounts(failures: [.noFunction: 1]))
    }
    #expect(throws: Errno.noFunction) { try notifier.upsert(node, read: nil, write: nil) }
    #expect(throws: Errno.noFunction) { try notifier.invalidate(node, read: nil, write: nil) }
    #expect(channel.messages.isEmpty)
  }

  @Test(arguments: [99, 100, .max] as [UInt32])
  func fromMinor99OnEachIsOneMessage(_ minor: UInt32) throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: minor)
    #expect(notifier.isAvailable)
    for call in Call.allCases {
      try make(call, notifier)
      #expect(counts(call, notifier) == NotificationCounts(sent: 1))
    }
    #expect(channel.messages.map(\.count) == [96, 64, 40])
    #expect(channel.messages.map { $0[4] } == [100, 101, 99])
    #expect(channel.messages.map { Int($0[0]) } == [96, 64, 40])
  }

  @Test func withNeitherSideNothingIsSent() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    try notifier.upsert(node, read: nil, write: nil)
    try notifier.invalidate(node, read: nil, write: nil)
    try notifier.invalidateDevice(device, at: DeviceOffset(0), length: 0)
    #expect(channel.messages.isEmpty)
    for call in Call.allCases { #expect(counts(call, notifier) == NotificationCounts()) }
  }

  @Test func anAbsentSideOfAnUpsertIsNOCACHE() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    let noCache = Layout(32).with(253 as UInt16, at: 24).bytes
    let overwrite = MappingPair.pureOverwrite(mapping).write

    try notifier.upsert(node, read: mapping, write: nil)
    var expected = IomapWire.UpsertNotification(node: node, read: mapping, write: .noCache)
    #expect(try upsert() == expected)
    #expect(slots(channel.messages.last).write == noCache)

    try notifier.upsert(node, read: nil, write: mapping)
    expected = IomapWire.UpsertNotification(node: node, read: .noCache, write: mapping)
    #expect(try upsert() == expected)
    #expect(slots(channel.messages.last).read == noCache)

    try notifier.upsert(node, read: mapping, write: overwrite)
    expected = IomapWire.UpsertNotification(node: node, read: mapping, write: overwrite)
    #expect(try upsert() == expected)
  }

  @Test func anAbsentSideOfAnInvalidationIsZero() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    let nothing = [UInt8](repeating: 0, count: 16)

    try notifier.invalidate(node, read: range, write: nil)
    var expected = IomapWire.InvalidationNotification(node: node, read: range, write: nil)
    #expect(try invalidation() == expected)
    #expect(slots(channel.messages.last).write == nothing)

    try notifier.invalidate(node, read: nil, write: range)
    expected = IomapWire.InvalidationNotification(node: node, read: nil, write: range)
    #expect(try invalidation() == expected)
    #expect(slots(channel.messages.last).read == nothing)
  }

  @Test func toTheEndOfTheFile() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    let tail = InvalidationRange.toEndOfFile(from: FileOffset(0x1000))
    try notifier.invalidate(node, read: tail, write: .toEndOfFile(from: FileOffset(0)))
    let sent = slots(channel.messages.last)
    #expect(sent.read == hex("00100000 00000000 ffffffff ffffffff"))
    #expect(sent.write == hex("00000000 00000000 ffffffff ffffffff"))
  }

  @Test func theNodeIsNamedByBothNumbers() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    try notifier.upsert(node, read: mapping, write: nil)
    try notifier.invalidate(node, read: range, write: nil)
    for message in channel.messages {
      #expect(
        Array(message[16..<32])
          == Layout(16).with(12 as UInt64, at: 0).with(34 as UInt64, at: 8).bytes)
    }
  }

  @Test func devicesAreInvalidatedByRange() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    try notifier.invalidateDevice(device, at: DeviceOffset(0x240_0000), length: 0x4000)
    let message = try #require(channel.messages.last)
    #expect(
      message.withUnsafeBytes { IomapWire.DeviceInvalidationNotification(message: $0) }
        == IomapWire.DeviceInvalidationNotification(
          device: device, offset: DeviceOffset(0x240_0000), length: 0x4000))
  }

  @Test func whatTheKernelAnswersIsReturnedAndCounted() throws {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    // EINVAL, ESTALE, EUCLEAN, EIO, ENOMEM, ENODEV, EPERM (fuse-iomap ABI 5.9)
    let errnos = [22, 116, 117, 5, 12, 19, 1].map { Errno(rawValue: $0) }
    for call in Call.allCases {
      var expected = NotificationCounts()
      for (times, errno) in errnos.enumerated() {
        channel.fail(with: errno)
        for _ in 0...times { #expect(throws: errno) { try make(call, notifier) } }
        expected.failures[errno] = UInt64(times + 1)
        channel.fail(with: nil)
        try make(call, notifier)
        expected.sent += 1
        #expect(counts(call, notifier) == expected)
      }
      #expect(counts(call, notifier).failed == 28)
    }
    #expect(channel.messages.count == 3 * 35, "a failure is neither hidden nor tried again")
  }

  @Test func errnosThatDoNotExistAreCountedTogether() {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    for odd: CInt in [-1, 134, .max] {
      channel.fail(with: Errno(rawValue: odd))
      #expect(throws: Errno(rawValue: odd)) { try make(.upsert, notifier) }
    }
    #expect(notifier.counters.upserts.failures == [Errno(rawValue: 0): 3])
  }

  @Test func isCalledFromManyThreads() async {
    let notifier = IomapNotifier(channel: channel, protocolMinor: 99)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<500 {
            try? notifier.upsert(node, read: mapping, write: nil)
            try? notifier.invalidate(node, read: range, write: nil)
          }
        }
      }
    }
    #expect(notifier.counters.upserts.sent == 4000)
    #expect(notifier.counters.invalidations.sent == 4000)
    #expect(channel.messages.count == 8000)
    #expect(Set(channel.messages).count == 2)
  }
}
