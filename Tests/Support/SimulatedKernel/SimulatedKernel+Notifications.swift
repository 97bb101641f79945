import Glibc
import SystemPackage

/// What the server writes to /dev/fuse of its own accord (ABI 5.3, 5.4, 5.9).
extension SimulatedKernel {
  /// A whole notification with its header; nil, or what write(2) would fail with.
  /// `handling`: the opcode of the request that the calling thread is handling, 0 for none; nil where that is not known.
  public func notify(_ message: UnsafeRawBufferPointer, handling: UInt32? = nil) -> Errno? {
    if let handling {
      knowsHandlers.store(true, ordering: .relaxed)
      if message.count >= 8, Self.isMappingCode(MessageReader(message).i32(4)) {
        rules.check(
          .i45, !Self.quietOpcodes.contains(handling),
          "a mapping notification from the handler of request \(handling)")
      }
    }
    guard message.count >= 16 else {
      rules.violate(.i42, "a notification of \(message.count) bytes")
      return .invalidArgument
    }
    let reader = MessageReader(message)
    let (length, code, unique) = (reader.u32(0), reader.i32(4), reader.u64(8))
    let payload = MessageReader(UnsafeRawBufferPointer(rebasing: message[16...]))
    guard Int(length) == message.count, unique == 0 else {
      rules.violate(.i42, "\(message.count) bytes, len \(length), unique \(unique), code \(code)")
      return .invalidArgument
    }
    if connection.isOver { return .noDevice }
    switch code {
    case NotificationCode.upsert: return counted("upsert", code, message.count, 96, upsert, payload)
    case NotificationCode.invalidate:
      return counted("inval", code, message.count, 64, invalidate, payload)
    case NotificationCode.deviceInvalidate:
      return counted("dev inval", code, message.count, 40, deviceInvalidate, payload)
    default: return ordinary(code, payload)
    }
  }

  private static func isMappingCode(_ code: Int32) -> Bool {
    code == NotificationCode.upsert || code == NotificationCode.invalidate
  }

  /// FORGET, RELEASE, RELEASEDIR, DESTROY, BATCH_FORGET.
  private static let quietOpcodes: Set<UInt32> = [2, 18, 29, 38, 42]

  private func counted(
    _ kind: String, _ code: Int32, _ length: Int, _ expected: Int,
    _ apply: (MessageReader) -> Errno?, _ payload: MessageReader
  ) -> Errno? {
    board.add(kind)
    guard monitor.withLock({ session.usesIomap }) else {
      rules.violate(.i3, "notification \(code) to a kernel without iomap")
      return .invalidArgument
    }
    rules.check(.i42, length == expected, "notification \(code) has \(length) bytes")
    guard length == expected else { return .invalidArgument }
    // What is said of a device concerns all.
    let node = Self.isMappingCode(code) ? payload.u64(0) : Self.root
    connection.history.notified(node, code, payload)
    let error = apply(payload)
    if let error {
      board.add("\(kind) failed \(error.rawValue)")
      connection.history.refused(node, code, error.rawValue)
    }
    return error
  }

  // MARK: UPSERT

  private func upsert(_ payload: MessageReader) -> Errno? {
    let (node, number) = (payload.u64(0), payload.u64(8))
    let (read, write) = (payload.mapping(16), payload.mapping(48))
    rules.check(
      .i43, write.type == MappingType.noCache, "UPSERT of node \(node): write slot \(write)")
    guard let inode = addressee(node, number, "UPSERT") else { return .staleNFSFileHandle }
    guard inode.number == number else {
      rules.violate(.i14, "UPSERT of node \(node): attr_ino \(number), attr.ino \(inode.number)")
      return .invalidArgument
    }
    rules.exercise(.i14)
    if inode.monitor.withLock({ inode.isBad }) { return .ioError }
    for (slot, isWrite) in [(read, false), (write, true)] {
      if let problem = problem(inUpsert: slot, isWrite: isWrite) {
        rules.violate(.i43, "UPSERT of node \(node): \(problem) in \(slot)")
        return .corrupted
      }
    }
    judgeUpsert(read, inode)
    if let error = configuration.upsertError ?? randomUpsertError() {
      inode.monitor.withLock { inode.upsertFailures += 1 }
      return error
    }
    if read.type != MappingType.noCache {
      ledger.observe(read, of: inode, .upsert, session: session)
    }
    let limit = session.cacheLimit
    inode.monitor.withLock {
      var cache = inode.cache ?? MappingCache()
      inode.cache = nil
      if read.type != MappingType.noCache { cache.upsert(.read, read, limit: limit) }
      if write.type != MappingType.noCache { cache.upsert(.write, write, limit: limit) }
      inode.cache = cache
      inode.upserts += 1
    }
    return nil
  }

  private func randomUpsertError() -> Errno? {
    chance.happens(configuration.upsertFailureProbability) ? .noMemory : nil
  }

  /// What must never be cached (I-43).
  private func judgeUpsert(_ read: WireMapping, _ inode: KernelInode) {
    let isCacheable = [
      MappingType.hole, MappingType.mapped, MappingType.unwritten, MappingType.noCache,
    ].contains(read.type)
    rules.check(.i43, isCacheable, "UPSERT of node \(inode.node): type \(read.type) cached")
    guard read.type != MappingType.noCache else { return }
    rules.check(
      .i43, read.flags & MappingFlags.new == 0, "UPSERT of node \(inode.node): NEW cached")
    rules.check(
      .i26, read.flags & MappingFlags.neverFromServer == 0,
      "UPSERT of node \(inode.node): flags \(hex(read.flags))")
    rules.check(
      .i34, read.flags & MappingFlags.atomicBIO == 0,
      "UPSERT of node \(inode.node): ATOMIC_BIO cached")
  }

  /// 5.3's checks of a slot, as a sentence of what is wrong.
  private func problem(inUpsert slot: WireMapping, isWrite: Bool) -> String? {
    if slot.type == MappingType.noCache { return nil }
    if slot.type == MappingType.retryCache { return "RETRY_CACHE" }
    if let problem = fieldProblem(of: slot, isWrite: isWrite) { return problem }
    let hasAddress = slot.address != Special.nullAddress
    if (slot.device != 0) != hasAddress { return "device \(slot.device) and \(hex(slot.address))" }
    guard slot.device != 0 else { return nil }
    guard let device = monitor.withLock({ devices[slot.device] }) else { return "unknown device" }
    let (end, overflow) = slot.address.addingReportingOverflow(slot.length)
    return overflow || end > device.size ? "beyond the end of the device" : nil
  }

  // MARK: INVAL

  private func invalidate(_ payload: MessageReader) -> Errno? {
    let (node, number) = (payload.u64(0), payload.u64(8))
    guard let inode = addressee(node, number, "INVAL") else { return .staleNFSFileHandle }
    guard inode.number == number else {
      rules.violate(.i14, "INVAL of node \(node): attr_ino \(number), attr.ino \(inode.number)")
      return .invalidArgument
    }
    if inode.monitor.withLock({ inode.isBad }) { return .ioError }
    let (size, maximum) = (session.blockSize, session.maximumBytes)
    var ranges: [(MappingCache.Slot, UInt64, UInt64)] = []
    for (slot, position) in [(MappingCache.Slot.write, 32), (.read, 16)] {
      let (offset, length) = (payload.u64(position), payload.u64(position + 8))
      guard length != 0 else { continue }
      let isAligned = offset % size == 0 && (length == Special.toEOF || length % size == 0)
      let isRight = offset < maximum && isAligned
      rules.check(.i50, isRight, "INVAL of node \(node): [\(hex(offset)) +\(hex(length))]")
      guard isRight else { return .corrupted }
      let (sum, overflow) = offset.addingReportingOverflow(length)
      let end = length == Special.toEOF || overflow ? roundUp(maximum, size) : sum
      ranges.append((slot, offset, end))
    }
    if let error = configuration.invalidationError { return error }
    for (slot, start, end) in ranges where slot == .read {
      ledger.invalidated(inode, from: start, to: end)
    }
    inode.monitor.withLock {
      inode.drops += 1
      for (slot, start, end) in ranges.reversed() {
        inode.cache?.remove(slot, from: start, to: end, maximum: maximum)
      }
    }
    return nil
  }

  /// The inode that a notification is about; nil: ESTALE. I-44 and I-45.
  private func addressee(_ node: UInt64, _ number: UInt64, _ what: String) -> KernelInode? {
    rules.exercise(.i44)
    rules.exercise(.i45)
    let (found, age, isQuiet, isEnding) = monitor.withLock {
      () -> (KernelInode?, Deadline?, Bool, Bool) in
      // A reply that shows the node may be on its way through the socket.
      if nodes[node] == nil && forgotten[node] == nil && !isDestroying {
        _ = monitor.wait(until: Deadline(milliseconds: 300)) { nodes[node] != nil }
      }
      return (nodes[node], forgotten[node], quietHandlers[node] != nil, isDestroying)
    }
    // From a thread that handles another request it is late, but harmless: DESTROY does not wait for it.
    if isEnding && knowsHandlers.load(ordering: .relaxed) { return nil }
    if isEnding {
      rules.violate(.i45, "\(what) of node \(node) while DESTROY is handled")
      return nil
    }
    guard let inode = found else {
      // The FORGET may not have been read yet: that is ESTALE's normal use.
      if let age {
        if age.isOver { rules.violate(.i45, "\(what) of node \(node) after its FORGET") }
      } else {
        rules.violate(.i45, "\(what) of node \(node) (inode \(number)) before it has been shown")
      }
      return nil
    }
    let isIdle = inode.monitor.withLock { inode.mappingHandlers + inode.changesInFlight == 0 }
    if isQuiet && isIdle && !knowsHandlers.load(ordering: .relaxed) {
      rules.violate(.i45, "\(what) of node \(node) while its RELEASE is handled")
    }
    guard inode.usesIomap else {
      rules.violate(.i44, "\(what) of node \(node), which is no iomap file: a real kernel crashes")
      return nil
    }
    return inode
  }

  // MARK: DEV_INVAL

  private func deviceInvalidate(_ payload: MessageReader) -> Errno? {
    let (cookie, reserved) = (payload.u32(0), payload.u32(4))
    let (offset, length) = (payload.u64(8), payload.u64(16))
    let size = session.blockSize
    guard let device = monitor.withLock({ devices[cookie] }) else {
      rules.violate(.i68, "DEV_INVAL of device \(cookie)")
      return cookie == 0 ? .invalidArgument : .noDevice
    }
    let (_, overflow) = offset.addingReportingOverflow(length)
    let isRight =
      reserved == 0 && !overflow && length != 0 && offset < device.size && offset % size == 0
      && length % size == 0
    rules.check(.i68, isRight, "DEV_INVAL [\(hex(offset)) +\(hex(length))], reserved \(reserved)")
    if reserved != 0 || overflow || offset >= device.size { return .invalidArgument }
    ledger.deviceInvalidated(offset, length == 0 && offset == 0 ? device.size : length)
    return nil
  }

  // MARK: Notifications of ordinary FUSE

  private func ordinary(_ code: Int32, _ payload: MessageReader) -> Errno? {
    board.add("notification \(code)")
    let ofInode = [
      NotificationCode.invalidateInode, NotificationCode.store, NotificationCode.retrieve,
    ]
    guard ofInode.contains(code), payload.bytes.count >= 16 else {
      return code > 0 && code < 10 ? nil : .invalidArgument
    }
    // RETRIEVE has its node behind a number of its own.
    let node = code == NotificationCode.retrieve ? payload.u64(8) : payload.u64(0)
    guard let inode = monitor.withLock({ nodes[node] }) else { return .noSuchFileOrDirectory }
    let isBusy = inode.monitor.withLock { inode.mappingHandlers + inode.completionHandlers > 0 }
    rules.exercise(.i53)
    guard inode.usesIomap else { return nil }
    if code != NotificationCode.invalidateInode { return Errno(rawValue: EOPNOTSUPP) }
    if isBusy && payload.i64(8) >= 0 {
      rules.violate(.i53, "INVAL_INODE of node \(node) while its BEGIN or IOEND is handled")
    }
    return nil
  }
}
