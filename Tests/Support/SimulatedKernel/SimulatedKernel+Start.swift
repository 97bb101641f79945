import Glibc
import SystemPackage

/// The beginning of a mount: INIT, then CONFIG, then everything else (ABI 2.3).
extension SimulatedKernel {
  /// Negotiates. Throws what mount(2) with SYNC_INIT would fail with.
  public func start() throws(Errno) {
    try negotiate()
    if monitor.withLock({ session.usesIomap }) { try configure() }
    monitor.withLock {
      phase = .running
      makeRoot()
    }
    connection.openForAll(maximumBackground: configuration.maximumBackground)
    for _ in 0..<configuration.completionThreads {
      startThread("sim-ioend") { [weak self] in Self.serveCompletions(of: self) }
    }
    for _ in 0..<configuration.writebackThreads {
      startThread("sim-flush") { [weak self] in Self.serveWriteback(of: self) }
    }
  }

  /// All flags of Linux 6.18 but those of DAX and virtiofs: 0 to 29 without 2 and 26, ...
  private static let ordinaryFlags: UInt32 = 0x3bff_fffb
  /// ... and SECURITY_CTX, CREATE_SUPP_GROUP, EXPIRE_ONLY, DIRECT_IO_ALLOW_MMAP, PASSTHROUGH,
  /// NO_EXPORT_SUPPORT, HAS_RESEND, ALLOW_IDMAP, REQUEST_TIMEOUT.
  private static let ordinaryMoreFlags: UInt32 = 0x0000_05fd

  private func negotiate() throws(Errno) {
    var payload = MessageWriter()
    payload.append(UInt32(7))
    payload.append(UInt32(99))
    payload.append(UInt32(131_072))
    let isExtended = configuration.offersExtendedInit
    payload.append(Self.ordinaryFlags | (isExtended ? InitFlags.extended : 0))
    let more = Self.ordinaryMoreFlags | (configuration.offersIomap ? InitFlags.iomap : 0)
    payload.append(isExtended ? more : 0)
    payload.append(zeros: 44)
    let reply = try connection.exchange(.initialize, node: 0, payload.bytes)
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
    guard reply.payload.count >= 24 else {
      rules.fail("INIT: \(reply.payload.count) bytes")
      throw .ioError
    }
    let padded = reply.payload + [UInt8](repeating: 0, count: max(0, 64 - reply.payload.count))
    let answer = padded.read { (minor: $0.u32(4), flags: $0.u32(12), more: $0.u32(32)) }
    let accepts =
      answer.flags & InitFlags.extended != 0 && answer.more & InitFlags.iomap != 0
    if offersIomap {
      judgeInit(reply.length, answer.minor, answer.flags, answer.more)
    } else {
      rules.check(
        .i3, answer.more & InitFlags.iomap == 0, "INIT: bit 43 set, though it was not offered")
    }
    monitor.withLock {
      session.minor = min(answer.minor, 99)
      session.maximumWrite = max(4096, padded.read { $0.u32(20) })
      session.hasPosixACL = answer.flags & InitFlags.posixACL != 0
      session.hasLongSetxattr = answer.flags & (1 << 29) != 0
      session.doesNotMask = answer.flags & InitFlags.doNotMask != 0
      session.usesIomap = accepts && offersIomap
      session.blockSize = session.usesIomap ? pageSize : oracle.blockSize
      phase = .configuring
    }
  }

  private func judgeInit(_ length: Int, _ minor: UInt32, _ flags: UInt32, _ more: UInt32) {
    // A server may decline: rules 1 and 2 are about one that accepts.
    guard more & InitFlags.iomap != 0 || configuration.isBlockDevice else { return }
    rules.check(
      .i1,
      minor >= 99 && flags & InitFlags.extended != 0 && more & InitFlags.iomap != 0
        && length == 80,
      "INIT: minor \(minor), flags \(hex(flags)), flags2 \(hex(more)), \(length) bytes")
    rules.check(.i2, flags & InitFlags.atomicTruncate == 0, "INIT: ATOMIC_O_TRUNC is set")
  }

  // MARK: CONFIG

  private func configure() throws(Errno) {
    var payload = MessageWriter()
    var known: UInt64 = configuration.revision == .v7 ? 0x7f : 0x3f
    if configuration.unknownConfigBit { known |= 0x80 }
    payload.append(known)
    payload.append(Int64.max)
    if configuration.revision == .v7 {
      payload.append(configuration.cacheMaximumBytes)
      payload.append(zeros: 44)
    } else {
      payload.append(zeros: 48)
    }
    let reply = try connection.exchange(.config, node: 0, payload.bytes, as: .kernel)
    rules.exercise(.i5)
    rules.check(
      .i9, reply.error == 0, "IOMAP_CONFIG answered with errno \(reply.error): no access any more")
    let hasDevice = monitor.withLock { !devices.isEmpty }
    if configuration.backingOpenError == nil && !configuration.unknownConfigBit
      && configuration.isBlockDevice
    {
      rules.check(.i4, hasDevice, "no BACKING_OPEN before the reply to IOMAP_CONFIG")
    }
    guard reply.error == 0 else {
      if reply.error == ENOSYS { return }
      throw Errno(rawValue: ECONNREFUSED)
    }
    try apply(reply.payload, known: known)
  }

  /// `struct fuse_iomap_config_out` (3.4.7).
  private func apply(_ payload: [UInt8], known: UInt64) throws(Errno) {
    let longest = configuration.revision == .v7 ? 104 : 96
    rules.check(.i5, payload.count <= longest, "IOMAP_CONFIG: a reply of \(payload.count) bytes")
    guard payload.count <= longest else { throw .ioError }
    let padded = payload + [UInt8](repeating: 0, count: 104 - payload.count)
    let result = padded.withUnsafeBytes { bytes in
      Result { () throws(Errno) in try apply(MessageReader(bytes), known: known) }
    }
    try result.get()
  }

  private func apply(_ fields: MessageReader, known: UInt64) throws(Errno) {
    let flags = fields.u64(0)
    let hasBlockSize = flags & ConfigFlags.blockSize != 0
    let hasMaximum = flags & ConfigFlags.maxBytes != 0
    let isRight =
      flags & ~known == 0 && fields.u8(56) <= 16 && fields.isZero(57..<60) && hasBlockSize
      && UInt64(fields.u32(60)) == oracle.blockSize && hasMaximum
      && isUnusedZero(fields, flags)
    rules.check(
      .i6, isRight,
      "IOMAP_CONFIG: flags \(hex(flags)), block size \(fields.u32(60)), uuid_len \(fields.u8(56)),"
        + " maxbytes \(fields.i64(88))")
    guard flags & ~known == 0, fields.u8(56) <= 16, fields.isZero(57..<60) else {
      throw .invalidArgument
    }
    let granularity = fields.u32(68)
    if flags & ConfigFlags.time != 0 && !(1...1_000_000_000).contains(granularity) {
      throw .invalidArgument
    }
    monitor.withLock {
      if hasBlockSize { session.blockSize = UInt64(max(fields.u32(60), 512)) }
      if hasMaximum { session.maximumBytes = UInt64(max(0, fields.i64(88))) }
      if flags & ConfigFlags.time != 0 { session.timeGranularity = granularity }
      let limit = Int(fields.u32(96))
      if configuration.revision == .v7, flags & ConfigFlags.cacheMaxBytes != 0, limit != 0 {
        session.cacheLimit = min(max(limit, 256), 2 << 20)
      }
    }
  }

  private func isUnusedZero(_ fields: MessageReader, _ flags: UInt64) -> Bool {
    let parts: [(UInt64, Range<Int>)] = [
      (ConfigFlags.id, 8..<40), (ConfigFlags.uuid, 40..<57), (ConfigFlags.blockSize, 60..<64),
      (ConfigFlags.maxLinks, 64..<68), (ConfigFlags.time, 68..<88),
      (ConfigFlags.maxBytes, 88..<96), (ConfigFlags.cacheMaxBytes, 96..<100), (0, 100..<104),
    ]
    return parts.allSatisfy { flag, range in flags & flag != 0 || fields.isZero(range) }
  }
}
