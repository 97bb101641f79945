import Glibc
import SystemPackage
import TestSupport

/// Single requests as no ordinary operation makes them, and switches: for scenarios.
extension SimulatedKernel {
  /// BEGIN as it is given, its reply judged but not used. Nil: an error reply.
  @discardableResult
  func probe(
    _ inode: KernelInode, _ operation: OperationFlags, at position: UInt64, count: UInt64
  ) -> (mapping: Mapping?, error: Errno?) {
    do throws(Errno) {
      return (try begin(inode, operation, at: position, count: count).direct, nil)
    } catch {
      return (nil, error)
    }
  }

  /// BEGIN about whatever node and inode number.
  func probeRaw(
    node: UInt64, number: UInt64, _ operation: OperationFlags, at position: UInt64, count: UInt64
  ) throws(Errno) -> Reply {
    try connection.exchange(
      .begin, node: node, encodeBegin(number, operation, position, count), kind: "begin probe")
  }

  /// An IOEND that no I/O belongs to, with the consequences in the kernel.
  @discardableResult
  func deliver(_ request: CompletionRequest, _ inode: KernelInode) -> Errno? {
    do throws(Errno) {
      let size = try send(request, inode)
      guard request.error == nil, request.flags & CompletionFlags.swapoff == 0 else { return nil }
      let end = request.position + request.written
      inode.monitor.withLock {
        if let size { inode.diskSize = size }
        inode.raiseSize(to: end, pageSize: pageSize)
        inode.dropMappings(
          from: roundDown(request.position, blockSize), to: roundUp(end, blockSize),
          maximum: session.maximumBytes)
      }
      return nil
    } catch {
      return error
    }
  }

  /// FSYNC alone, without writing anything back first.
  func rawFsync(_ file: OpenFile) throws(Errno) -> Reply {
    try connection.exchange(.fsync, node: file.node, encodeFsync(file))
  }

  func encodeFsync(_ file: OpenFile) -> [UInt8] {
    var payload = MessageWriter()
    payload.append(file.handle)
    payload.append(UInt64(0))
    return payload.bytes
  }

  /// FALLOCATE alone: no flush before, no zeroing and no drops after it.
  func rawFallocate(
    _ file: OpenFile, mode: UInt32, at offset: UInt64, length: UInt64
  ) throws(Errno) -> Reply {
    var payload = MessageWriter(capacity: 32)
    payload.append(file.handle)
    payload.append(offset)
    payload.append(length)
    payload.append(mode)
    payload.append(UInt32(0))
    return try connection.exchange(.fallocate, node: file.node, payload.bytes)
  }

  /// Until `releaseFlushes`, the device does not finish a flush.
  public func holdFlushes() { ledger.monitor.withLock { ledger.areFlushesHeld = true } }
  public func releaseFlushes() { ledger.monitor.withLock { ledger.areFlushesHeld = false } }

  /// A copy of the image as a power cut now may leave it. `survives` is asked about each write that no
  /// flush has made durable, in order. Needs `recordsUnflushedWrites`.
  public func crashImage(to copy: FilePath, survives: (Int) -> Bool) throws {
    guard let unflushed = ledger.unflushed else { throw Failure("unflushed writes are not kept") }
    try unflushed.crash(image: image, to: copy, survives: survives)
  }

  /// Device writes of the server so far.
  public var serverWriteCount: UInt64 { ledger.serverWriteCount }
}
