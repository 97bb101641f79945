import Glibc
import SystemPackage

/// Where the bytes of a file are: the cache, else the server (ABI 4.3, 5.2).
extension SimulatedKernel {
  /// What an operation works with.
  struct Mapping {
    /// What is acted upon, and, for copies on write, where the old bytes are.
    var target: WireMapping
    var source: WireMapping
    /// The cache's sequence number when it was looked up; nil: valid as long as it is used.
    var cookie: UInt64?
  }

  /// After so many times of RETRY_CACHE, a real kernel would go on for ever (8.0).
  private static let rounds = 8

  /// The mapping of `position`; at most [position, position + count) of it is to be used.
  func map(
    _ inode: KernelInode, _ operation: OperationFlags, at position: UInt64, count: UInt64
  ) throws(Errno) -> Mapping {
    if chance.happens(configuration.evictionProbability) {
      inode.monitor.withLock {
        inode.dropMappings(
          from: 0, to: roundUp(session.maximumBytes, blockSize) - blockSize, maximum: .max)
      }
    }
    if !operation.skipsCache, let hit = lookup(inode, operation, position, count) {
      board.add("cache hit")
      return hit
    }
    for round in 0..<Self.rounds {
      let answer = try begin(inode, operation, at: position, count: count)
      guard let direct = answer.direct else {
        if let hit = lookup(inode, operation, position, count) { return hit }
        // Something else may have dropped it: only then may the server be asked again.
        board.add("retry missed")
        if !mayBeDropped(inode, since: answer.dropsBefore) || round == Self.rounds - 1 {
          rules.violate(
            .i36,
            "node \(inode.node): RETRY_CACHE to \(operation.name) at \(hex(position)), and the cache"
              + " has no mapping for it")
          if round > 0 { throw .corrupted }
        }
        continue
      }
      return direct
    }
    throw .corrupted
  }

  /// Whether something but the server's answer is why the cache has no mapping: drops, other INVALs,
  /// or UPSERTs of others that filled it.
  private func mayBeDropped(_ inode: KernelInode, since drops: UInt64) -> Bool {
    inode.monitor.withLock { inode.drops != drops || inode.changesInFlight > 0 }
      || session.cacheLimit > 0 && session.cacheLimit < 4096
  }

  /// 5.2: a hit, trimmed to the blocks of the range.
  private func lookup(
    _ inode: KernelInode, _ operation: OperationFlags, _ position: UInt64, _ count: UInt64
  ) -> Mapping? {
    let start = roundDown(position, blockSize)
    let (sum, overflow) = position.addingReportingOverflow(count)
    let end = overflow ? UInt64.max : roundUp(sum, blockSize)
    return inode.monitor.withLock { () -> Mapping? in
      guard let hit = inode.cache?.lookup(operation, position) else { return nil }
      func trimmed(_ mapping: WireMapping) -> WireMapping {
        mapping.part(from: max(mapping.offset, start), to: min(mapping.end, end))
      }
      return Mapping(
        target: trimmed(hit.target), source: trimmed(hit.source), cookie: hit.sequence)
    }
  }

  /// Whether what was looked up still holds (5.6).
  func isValid(_ mapping: Mapping, _ inode: KernelInode) -> Bool {
    guard let cookie = mapping.cookie else { return true }
    return inode.monitor.withLock { inode.cache?.sequence == cookie }
  }

  // MARK: BEGIN

  struct BeginAnswer {
    /// Nil: RETRY_CACHE.
    var direct: Mapping?
    /// How often mappings had been dropped when the request went out.
    var dropsBefore: UInt64 = 0
  }

  /// `struct fuse_iomap_begin_in`.
  func encodeBegin(
    _ number: UInt64, _ operation: OperationFlags, _ position: UInt64, _ count: UInt64
  ) -> [UInt8] {
    var payload = MessageWriter(capacity: 32)
    payload.append(operation.rawValue | configuration.unknownOperationFlags)
    payload.append(UInt32(0))
    payload.append(number)
    payload.append(position)
    payload.append(count)
    return payload.bytes
  }

  func begin(
    _ inode: KernelInode, _ operation: OperationFlags, at position: UInt64, count: UInt64
  ) throws(Errno) -> BeginAnswer {
    let isAllocating = operation.isWriteClass && !operation.contains(.zero)
    let before = inode.monitor.withLock {
      inode.mappingHandlers += 1
      inode.beginsSent += 1
      return (
        upserts: inode.upserts, failures: inode.upsertFailures, drops: inode.drops,
        isAlone: inode.mappingHandlers == 1, begins: inode.beginsSent
      )
    }
    defer { inode.monitor.withLock { inode.mappingHandlers -= 1 } }
    let epoch = ledger.epoch(of: inode, allocates: isAllocating)
    let payload = encodeBegin(inode.number, operation, position, count)
    if configuration.unknownOperationFlags != 0 { rules.exercise(.i41) }
    let reply = try connection.exchange(
      .begin, node: inode.node, payload,
      as: operation.contains(.writeback) ? .kernel : Caller(), kind: "begin \(operation.name)")
    let after = inode.monitor.withLock {
      return (
        upserts: inode.upserts, failures: inode.upsertFailures, drops: inode.drops,
        isAlone: inode.mappingHandlers == 1, begins: inode.beginsSent
      )
    }
    let context = Context(
      inode: inode, operation: operation, position: position, count: count,
      epoch: epoch,
      hasUpserted: after.upserts > before.upserts, hasFailed: after.failures > before.failures,
      isAlone: before.isAlone && after.begins == before.begins)
    rules.exercise(.i53)
    try judgeError(of: reply, context)
    return try answer(reply, context, dropsBefore: before.drops)
  }

  /// What a reply to BEGIN is judged by.
  struct Context {
    let inode: KernelInode
    let operation: OperationFlags
    let position: UInt64
    let count: UInt64
    /// The ledger's, when the request went out.
    let epoch: UInt64?
    let hasUpserted: Bool
    let hasFailed: Bool
    /// No other BEGIN of the inode was on its way.
    let isAlone: Bool

    var what: String {
      "node \(inode.node): BEGIN \(operation.name) [\(hex(position)) +\(hex(count))]"
    }
  }

  private func answer(
    _ reply: Reply, _ context: Context, dropsBefore: UInt64
  ) throws(Errno) -> BeginAnswer {
    let isRightLength = reply.length == 80
    rules.check(.i22, isRightLength, "\(context.what): a reply of \(reply.length) bytes")
    guard isRightLength else { throw .ioError }
    let (read, write) = reply.payload.read { ($0.mapping(0), $0.mapping(32)) }
    if let problem = problem(inReply: read, write, context) {
      rules.check(.i23, false, "\(context.what): \(problem): \(read), \(write)")
      throw .corrupted
    }
    rules.exercise(.i23)
    judgeTypes(read, write, context)
    if read.type == MappingType.retryCache {
      judgeRetry(context)
      return BeginAnswer(direct: nil, dropsBefore: dropsBefore)
    }
    judgeDirect(read, context)
    ledger.observe(
      read, of: context.inode, .reply(epoch: context.epoch), session: session)
    let isCopy =
      context.operation.isWriteClass && write.type != MappingType.pureOverwrite
    return BeginAnswer(
      direct: Mapping(target: isCopy ? write : read, source: read, cookie: nil))
  }

  /// 4.3.2, rules 1 to 9 and the devices, in its order; a sentence of what is wrong.
  private func problem(
    inReply read: WireMapping, _ write: WireMapping, _ context: Context
  ) -> String? {
    let hasCache = context.inode.monitor.withLock { context.inode.cache != nil }
    for (slot, isWrite) in [(read, false), (write, true)] {
      if slot.type == MappingType.retryCache {
        // v6 would repeat the request for ever instead (2.6).
        if !hasCache && !isWrite {
          rules.violate(.i36, "\(context.what): RETRY_CACHE without any UPSERT before")
          return "RETRY_CACHE without a cache"
        }
      } else if slot.type != MappingType.noCache,
        let problem = fieldProblem(of: slot, isWrite: isWrite)
      {
        return problem
      }
    }
    if read.type == MappingType.noCache || write.type == MappingType.noCache { return "NOCACHE" }
    for slot in [read, write] where !slot.covers(context.position) { return "does not cover pos" }
    guard read.type != MappingType.retryCache else { return nil }
    var slots = [read]
    if context.operation.isWriteClass && write.type != MappingType.pureOverwrite {
      slots.append(write)
    }
    for slot in slots where slot.hasBlocks {
      if monitor.withLock({ devices[slot.device] == nil }) { return "unknown device" }
    }
    return nil
  }

  /// Rules 1 and 3 to 7 of 4.3.2, for one slot.
  func fieldProblem(of slot: WireMapping, isWrite: Bool) -> String? {
    switch slot.type {
    case MappingType.hole, MappingType.delalloc, MappingType.inline:
      if slot.device != 0 || slot.address != Special.nullAddress {
        return "a device or address without blocks"
      }
    case MappingType.mapped, MappingType.unwritten:
      if slot.device == 0 || slot.address == Special.nullAddress { return "no device or address" }
    case MappingType.pureOverwrite:
      if !isWrite { return "PURE_OVERWRITE in the read slot" }
    default: return "type \(slot.type)"
    }
    if slot.flags & ~MappingFlags.allowed != 0 { return "flags \(hex(slot.flags))" }
    if slot.length == 0 { return "no length" }
    if slot.offset % blockSize != 0 || slot.length % blockSize != 0 { return "not block-aligned" }
    if slot.offset.addingReportingOverflow(slot.length).overflow { return "overflow" }
    if slot.offset >= session.maximumBytes { return "beyond s_maxbytes" }
    if slot.address != Special.nullAddress,
      slot.address.addingReportingOverflow(slot.length).overflow
    {
      return "address overflow"
    }
    return nil
  }
}
