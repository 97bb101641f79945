import IomapCache
import Testing

/// The numbers of the protocol, as the tables of the fuse-iomap ABI have them (2.2, 2.4, 2.6, 3.1, 3.2).
@Suite struct NumbersTests {
  @Test func opcodes() {
    let opcodes: [IomapWire.Opcode] = [
      .freeze, .unfreeze, .shutdown, .config, .ioEnd, .begin, .end,
    ]
    #expect(opcodes.map(\.rawValue) == [4089, 4090, 4091, 4092, 4093, 4094, 4095])
    #expect(opcodes == IomapWire.Opcode.allCases)
    #expect(opcodes.map { $0.requestSize(for: .v7) } == [8, 0, 8, 64, 48, 32, 72])
    #expect(opcodes.map { $0.requestSize(for: .v6) } == [8, 0, 8, 64, 40, 32, 72])
  }

  @Test func notificationCodesAndSizes() {
    #expect(IomapWire.NotificationCode.deviceInvalidation.rawValue == 99)
    #expect(IomapWire.NotificationCode.upsert.rawValue == 100)
    #expect(IomapWire.NotificationCode.invalidation.rawValue == 101)
    #expect(IomapWire.UpsertNotification.messageSize == 96)
    #expect(IomapWire.InvalidationNotification.messageSize == 64)
    #expect(IomapWire.DeviceInvalidationNotification.messageSize == 40)
  }

  @Test func ioctls() {
    func numbers(_ revision: IomapRevision) -> [UInt?] {
      [.iomapSupport, .setNoFS, .addIomap, .setBlockSize, .backingOpen, .backingClose].map {
        (ioctl: IomapWire.Ioctl) in ioctl.number(for: revision)
      }
    }
    #expect(
      numbers(.v7) == [
        0x8010_E563, 0x4004_E564, 0x0000_E565, 0x4008_E566, 0x4010_E501, 0x4004_E502,
      ])
    #expect(
      numbers(.v6) == [0x8010_E563, nil, 0x0000_E563, 0x4008_E563, 0x4010_E501, 0x4004_E502])
    #expect(IomapWire.Ioctl.allCases.count == 6)
  }

  @Test func specialValues() {
    #expect(IomapWire.nullAddress == 0xFFFF_FFFF_FFFF_FFFF)
    #expect(DeviceOffset.null.rawValue == IomapWire.nullAddress)
    #expect(IomapWire.toEndOfFile == 0xFFFF_FFFF_FFFF_FFFF)
    #expect(DeviceCookie.none.rawValue == 0)
    #expect(IomapWire.initFlagExtension == 0x4000_0000)
    #expect(IomapWire.initFlagAtomicTruncate == 0x8)
    #expect(IomapWire.initFlags2Iomap == 0x800)
    #expect(IomapWire.protocolMinor == 99)
  }

  @Test func mappingTypes() {
    let kinds: [Mapping.Kind] = [
      .hole, .delalloc, .mapped, .unwritten, .inline, .noCache, .retryCache, .pureOverwrite,
    ]
    #expect(kinds.map(\.rawValue) == [0, 1, 2, 3, 4, 253, 254, 255])
    #expect(kinds == Mapping.Kind.allCases)
    #expect(kinds.filter(\.hasBlocks) == [.mapped, .unwritten])
  }

  @Test func mappingFlags() {
    let flags: [Mapping.Flags] = [
      .new, .dirty, .shared, .merged, .boundary, .anonymousWrite, .atomicBIO, .wantsEnd,
      .sizeChanged, .stale,
    ]
    #expect(flags.map(\.rawValue) == (0..<10).map { 1 << $0 })
    #expect(Mapping.Flags.sendable == Mapping.Flags(flags.prefix(8)))
  }

  @Test func operations() {
    let operations: [IomapWire.Operation] = [
      .write, .zero, .report, .fault, .direct, .noWait, .overwriteOnly, .unshare, .dax, .atomic,
      .dontCache, .swapFile, .writeback,
    ]
    #expect(
      operations.map(\.rawValue) == [
        0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x4000_0000, 0x8000_0000,
      ])
    #expect(operations.filter(\.isWriteClass) == [.write, .zero, .unshare, .writeback])
    #expect(!IomapWire.Operation([]).isWriteClass)
    #expect(IomapWire.Operation([.report, .direct, .write]).isWriteClass)
    #expect(!IomapWire.Operation(rawValue: 0x0800_0000).isWriteClass)
  }

  @Test func ioEndFlags() {
    let flags: [IomapWire.IOEndFlags] = [
      .shared, .unwritten, .boundary, .direct, .append, .writeback, .swapOff,
    ]
    #expect(flags.map(\.rawValue) == [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40])
  }

  @Test func configAndSupportFlags() {
    let flags: [IomapWire.ConfigFlags] = [
      .identifier, .uuid, .blockSize, .maximumLinks, .time, .maximumBytes, .cacheMaximumBytes,
    ]
    #expect(flags.map(\.rawValue) == [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40])
    #expect(IomapWire.SupportFlags.fileIO.rawValue == 1)
    #expect(IomapWire.SupportFlags.atomic.rawValue == 2)
  }
}
