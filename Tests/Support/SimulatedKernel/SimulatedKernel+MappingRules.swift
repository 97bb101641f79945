import Glibc
import SystemPackage

/// The rules of section 8 that a single reply to BEGIN shows.
extension SimulatedKernel {
  /// Error replies; those that are right are thrown.
  func judgeError(of reply: Reply, _ context: Context) throws(Errno) {
    let operation = context.operation
    let isBuffered = !operation.contains(.direct) || !operation.contains(.write)
    rules.check(
      .i33,
      !(isBuffered && !operation.contains(.report) && [ENOSYS, ENOTBLK].contains(reply.error)),
      "\(context.what) answered with errno \(reply.error)")
    if operation == .writeback {
      rules.check(.i31, reply.error != ENOSPC, "\(context.what): ENOSPC")
    }
    if operation.contains(.write), context.position >= session.maximumBytes {
      rules.check(.i32, reply.error == EFBIG, "\(context.what): errno \(reply.error), not EFBIG")
    }
    if operation.contains(.atomic) && reply.error != 0 {
      rules.check(
        .i34, [EOPNOTSUPP, EINVAL, ENOSPC].contains(reply.error),
        "\(context.what): errno \(reply.error)")
    }
    guard reply.error == 0 else {
      rules.exercise(.i22)
      throw Errno(rawValue: reply.error)
    }
  }

  func judgeTypes(_ read: WireMapping, _ write: WireMapping, _ context: Context) {
    if context.operation.contains(.write) || context.operation == .writeback {
      rules.exercise(.i31)
    }
    let types = [
      MappingType.hole, MappingType.mapped, MappingType.unwritten, MappingType.retryCache,
      MappingType.inline,
    ]
    rules.check(
      .i24, types.contains(read.type) && write.type == MappingType.pureOverwrite,
      "\(context.what): types \(read.type) and \(write.type)")
    rules.check(
      .i26, (read.flags | write.flags) & MappingFlags.neverFromServer == 0,
      "\(context.what): flags \(hex(read.flags))")
  }

  func judgeRetry(_ context: Context) {
    rules.exercise(.i36)
    if context.operation.contains(.atomic) {
      rules.violate(.i34, "\(context.what): RETRY_CACHE to an atomic write")
    }
    if configuration.upsertError != nil {
      rules.violate(.i36, "\(context.what): RETRY_CACHE although its UPSERT failed")
    }
    if context.hasUpserted { rules.exercise(.i47) }
  }

  func judgeDirect(_ read: WireMapping, _ context: Context) {
    let operation = context.operation
    let isAllocating = operation.contains(.write) || operation == .writeback
    if isAllocating {
      rules.check(.i28, read.type != MappingType.hole, "\(context.what): a hole")
    }
    rules.check(
      .i34, operation.contains(.atomic) || read.flags & MappingFlags.atomicBIO == 0,
      "\(context.what): ATOMIC_BIO")
    if operation.contains(.atomic) {
      let isWhole =
        read.offset <= context.position && read.end >= context.position + context.count
      rules.check(
        .i34, isWhole && read.flags & MappingFlags.atomicBIO != 0,
        "\(context.what): \(read) is not ATOMIC_BIO over the whole write")
    }
    if operation.contains(.swapfile) {
      rules.check(
        .i35, read.hasBlocks && read.flags & (MappingFlags.dirty | MappingFlags.shared) == 0,
        "\(context.what): \(read)")
    }
    if context.hasFailed && !context.hasUpserted && context.isAlone {
      let start = roundDown(context.position, blockSize)
      let (sum, overflow) = context.position.addingReportingOverflow(context.count)
      let end = overflow ? UInt64.max : roundUp(sum, blockSize)
      rules.check(
        .i37, read.offset >= start && read.end <= end,
        "\(context.what): after a failed UPSERT the reply is \(read)")
      rules.exercise(.i46)
    }
  }
}
