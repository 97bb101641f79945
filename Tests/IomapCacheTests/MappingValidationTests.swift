import IomapCache
import SystemPackage
import Testing

/// The kernel's checks, one test a rule (fuse-iomap ABI 4.3.2, 5.3 and 5.4).
@Suite struct MappingValidationTests {
  private let limits = MappingLimits(blockSize: 4096, maximumBytes: 1 << 44)
  private let device = DeviceCookie(rawValue: 1)
  private static let deviceSize: UInt64 = 1 << 40

  private var mapped: Mapping {
    Mapping(
      offset: FileOffset(0x10000), length: 0x4000, address: DeviceOffset(0x20000), kind: .mapped,
      flags: .dirty, device: device)
  }

  private func changed(_ mapping: Mapping, _ change: (inout Mapping) -> Void) -> Mapping {
    var mapping = mapping
    change(&mapping)
    return mapping
  }

  private func flaw(
    _ pair: MappingPair, at position: UInt64 = 0x12345, for operation: IomapWire.Operation = .write,
    _ revision: IomapRevision = .v7, hasCache: Bool = true
  ) -> MappingFlaw? {
    do throws(MappingFlaw) {
      try pair.validate(
        at: FileOffset(position), for: operation, limits, revision, hasCache: hasCache,
        isRegistered: { $0 == device })
      return nil
    } catch {
      return error
    }
  }

  private func upsertFlaw(_ mapping: Mapping, as half: Mapping.Half = .read) -> MappingFlaw? {
    do throws(MappingFlaw) {
      try mapping.validateForUpsert(as: half, limits) {
        [1: Self.deviceSize, 2: 0][$0.rawValue]
      }
      return nil
    } catch {
      return error
    }
  }

  /// In both halves of a reply, and in both of an UPSERT.
  private func expect(
    _ flaw: MappingFlaw, _ change: (inout Mapping) -> Void,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let bad = changed(mapped, change)
    let good = MappingPair.pureOverwrite(mapped)
    #expect(
      self.flaw(MappingPair(read: bad, write: good.write)) == flaw, sourceLocation: sourceLocation)
    #expect(
      self.flaw(MappingPair(read: mapped, write: bad)) == flaw, sourceLocation: sourceLocation)
    #expect(upsertFlaw(bad, as: .read) == flaw, sourceLocation: sourceLocation)
    #expect(upsertFlaw(bad, as: .write) == flaw, sourceLocation: sourceLocation)
  }

  @Test func goodAnswers() {
    let hole = Mapping.hole(at: FileOffset(0x10000), length: 0x4000)
    let unwritten = changed(mapped) { $0.kind = .unwritten }
    let others = [Mapping.Kind.delalloc, .inline].map { kind in changed(hole) { $0.kind = kind } }
    for read in [mapped, unwritten, hole] + others {
      for operation: IomapWire.Operation in [[], .write, .report, .zero, .writeback] {
        #expect(flaw(.pureOverwrite(read), for: operation) == nil)
        #expect(flaw(MappingPair(read: read, write: mapped), for: operation) == nil)
      }
      #expect(flaw(.retryCache(covering: read)) == nil)
      #expect(upsertFlaw(read, as: .read) == nil)
      #expect(upsertFlaw(read, as: .write) == nil)
    }
    #expect(upsertFlaw(.noCache) == nil)
    #expect(upsertFlaw(.noCache, as: .write) == nil)
    #expect(upsertFlaw(MappingPair.pureOverwrite(mapped).write, as: .write) == nil)
  }

  @Test func theFirstAndLastBytesAreCovered() {
    #expect(flaw(.pureOverwrite(mapped), at: 0x10000) == nil)
    #expect(flaw(.pureOverwrite(mapped), at: 0x13FFF) == nil)
  }

  @Test func rule2RetryNeedsACache() {
    let retry = MappingPair.retryCache(covering: mapped)
    #expect(flaw(retry, .v7, hasCache: false) == .retryWithoutCache)
    #expect(flaw(retry, .v6, hasCache: false) == nil)
    #expect(flaw(retry, .v7, hasCache: true) == nil)
    let odd = MappingPair(
      read: changed(retry.read) {
        $0.flags = .stale
        $0.length = 0x3001
      }, write: retry.write)
    #expect(flaw(odd) == nil, "no other field is looked at")
  }

  @Test func retryIsForReads() {
    let retry = MappingPair.retryCache(covering: mapped).read
    #expect(flaw(MappingPair(read: mapped, write: retry)) == .retryForWrites)
    #expect(upsertFlaw(retry, as: .read) == .retryInUpsert)
    #expect(upsertFlaw(retry, as: .write) == .retryInUpsert)
  }

  @Test(arguments: 8..<16)
  func rule3Flags(_ bit: Int) {
    expect(.unsendableFlags) { $0.flags = Mapping.Flags(rawValue: 1 << bit) }
  }

  @Test func rule4Length() { expect(.empty) { $0.length = 0 } }
  @Test func rule4OffsetAlignment() {
    expect(.misalignedOffset) { $0.offset = FileOffset(0x10200) }
  }
  @Test func rule4LengthAlignment() { expect(.misalignedLength) { $0.length = 0x4200 } }
  @Test func rule4Overflow() { expect(.endOverflow) { $0.length = UInt64.max - 0xFFFF } }

  @Test func rule5Maximum() {
    expect(.beyondMaximumBytes) { $0.offset = FileOffset(1 << 44) }
    let last = changed(mapped) { $0.offset = FileOffset((1 << 44) - 4096) }
    #expect(flaw(.pureOverwrite(last), at: (1 << 44) - 1) == nil, "the end may lie beyond")
  }

  @Test(arguments: [Mapping.Kind.mapped, .unwritten])
  func rule6BlocksHaveAPlace(_ kind: Mapping.Kind) {
    expect(.noDevice) {
      $0.kind = kind
      $0.device = .none
    }
    expect(.noAddress) {
      $0.kind = kind
      $0.address = .null
    }
  }

  @Test(arguments: [Mapping.Kind.hole, .delalloc, .inline])
  func rule6NoBlocksHaveNone(_ kind: Mapping.Kind) {
    expect(.needlessDevice) {
      $0.kind = kind
      $0.address = .null
    }
    expect(.needlessAddress) {
      $0.kind = kind
      $0.device = .none
    }
  }

  @Test func rule6PureOverwriteIsForWrites() {
    let overwrite = MappingPair.pureOverwrite(mapped).write
    #expect(flaw(MappingPair(read: overwrite, write: overwrite)) == .pureOverwriteForReads)
    #expect(upsertFlaw(overwrite, as: .read) == .pureOverwriteForReads)
    let placed = changed(overwrite) {
      $0.address = DeviceOffset(4096)
      $0.device = device
    }
    #expect(flaw(MappingPair(read: mapped, write: placed)) == nil, "unconstrained")
  }

  @Test func rule7AddressOverflow() {
    expect(.addressOverflow) { $0.address = DeviceOffset(UInt64.max - 0x3FFE) }
  }

  @Test func rule8NoCacheIsForUpserts() {
    let pair = MappingPair.pureOverwrite(mapped)
    #expect(flaw(MappingPair(read: .noCache, write: pair.write)) == .noCacheInReply)
    #expect(flaw(MappingPair(read: mapped, write: .noCache)) == .noCacheInReply)
  }

  @Test(arguments: [0, 0xFFFF, 0x14000, UInt64.max] as [UInt64])
  func rule9Coverage(_ position: UInt64) {
    #expect(flaw(.pureOverwrite(mapped), at: position) == .notCovering)
    #expect(flaw(.retryCache(covering: mapped), at: position) == .notCovering)
    var pair = MappingPair.pureOverwrite(mapped)
    pair.write.length = 0x1000
    #expect(flaw(pair, at: 0x11000) == .notCovering, "the write half as well")
  }

  @Test func devicesAreRegistered() {
    let foreign = changed(mapped) { $0.device = DeviceCookie(rawValue: 3) }
    #expect(flaw(.pureOverwrite(foreign)) == .unknownDevice)
    let target = MappingPair(read: mapped, write: foreign)
    #expect(flaw(target, for: .write) == .unknownDevice)
    #expect(flaw(target, for: []) == nil, "for reads the write half's device is not looked at")
    #expect(upsertFlaw(foreign) == .unknownDevice)
  }

  @Test func upsertsStayOnTheDevice() {
    let end = Self.deviceSize
    #expect(upsertFlaw(changed(mapped) { $0.address = DeviceOffset(end - 0x4000) }) == nil)
    #expect(
      upsertFlaw(changed(mapped) { $0.address = DeviceOffset(end - 0x3000) }) == .beyondDevice)
    #expect(
      upsertFlaw(changed(mapped) { $0.device = DeviceCookie(rawValue: 2) }) == .deviceGone)
  }

  @Test func upsertsOfPureOverwritesHaveBothDeviceAndAddressOrNeither() {
    let overwrite = MappingPair.pureOverwrite(mapped).write
    #expect(
      upsertFlaw(changed(overwrite) { $0.address = DeviceOffset(0) }, as: .write)
        == .addressWithoutDevice)
    #expect(
      upsertFlaw(changed(overwrite) { $0.device = device }, as: .write) == .deviceWithoutAddress)
  }

  @Test func flawsAreCorruption() {
    #expect(MappingFlaw.empty.errno(for: .v7) == Errno(rawValue: 117))
    #expect(MappingFlaw.unknownKind(9).errno(for: .v6) == Errno(rawValue: 117))
    #expect(MappingFlaw.deviceGone.errno(for: .v7) == .invalidArgument)
    #expect(MappingFlaw.deviceGone.errno(for: .v6) == Errno(rawValue: 117))
  }

  @Test func invalidationRanges() {
    func isAcceptable(_ offset: UInt64, _ length: UInt64) -> Bool {
      InvalidationRange(offset: FileOffset(offset), length: length).isAcceptable(limits)
    }
    #expect(isAcceptable(0, 4096))
    #expect(isAcceptable(4096, IomapWire.toEndOfFile))
    #expect(isAcceptable((1 << 44) - 4096, 8192))
    #expect(isAcceptable(1 << 50, 0) && isAcceptable(1, 0), "with length 0: not checked")
    #expect(!isAcceptable(1 << 44, 4096))
    #expect(!isAcceptable(1, 4096))
    #expect(!isAcceptable(0, 4095))
    #expect(!isAcceptable(1, IomapWire.toEndOfFile))
    #expect(!isAcceptable(1 << 44, IomapWire.toEndOfFile))
  }
}
