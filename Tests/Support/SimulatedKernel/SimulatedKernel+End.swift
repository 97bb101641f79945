import Glibc
import SystemPackage

/// IOMAP_END: after steps that raised the size or stopped short (ABI 4.4).
extension SimulatedKernel {
  /// One step of an operation: a mapping used for some of its bytes.
  struct Step {
    var operation: OperationFlags
    var position: UInt64
    var count: UInt64
    var written: UInt64
    var mapping: WireMapping
    var hasGrown = false
    var isStale = false

    var isTold: Bool {
      operation.isWriteClass && operation != .writeback && (hasGrown || written < count)
    }
    /// 4.4: what v6 servers learn sizes from.
    var raisesSize: Bool {
      operation.contains(.write) && !operation.contains(.direct) && hasGrown && written > 0
    }
  }

  func end(_ step: Step, of inode: KernelInode) throws(Errno) {
    guard step.isTold, !monitor.withLock({ session.hasNoEnd }) else { return }
    let isV6 = configuration.revision == .v6
    let raises = isV6 && step.raisesSize
    let finalSize = step.position + step.written
    if raises {
      inode.monitor.withLock {
        inode.sizeEpoch += 1
        inode.pendingEnds.append(finalSize)
      }
    }
    let reply: Reply
    do throws(Errno) {
      reply = try connection.exchange(
        .end, node: inode.node, encode(step, inode.number), kind: "end \(step.operation.name)")
    } catch {
      if raises { inode.monitor.withLock { sizeRequestEnded(inode, finalSize) } }
      throw error
    }
    // v7 servers may decline END; those of v6 would lose sizes.
    let isFine = reply.error == 0 || (reply.error == ENOSYS && !isV6)
    rules.check(.i61, isFine, "END of node \(inode.node): errno \(reply.error)")
    if raises {
      inode.monitor.withLock {
        sizeRequestEnded(inode, finalSize)
        if reply.error == 0 { inode.expectedDiskSize = max(inode.expectedDiskSize, finalSize) }
      }
    }
    if reply.error == ENOSYS {
      monitor.withLock { session.hasNoEnd = true }
    } else if reply.error != 0 {
      throw Errno(rawValue: reply.error)
    }
  }

  /// `inode.monitor` held.
  private func sizeRequestEnded(_ inode: KernelInode, _ size: UInt64) {
    inode.sizeEpoch += 1
    if let index = inode.pendingEnds.firstIndex(of: size) { inode.pendingEnds.remove(at: index) }
  }

  /// `struct fuse_iomap_end_in` (3.4.5).
  func encode(_ step: Step, _ number: UInt64) -> [UInt8] {
    var payload = MessageWriter(capacity: 72)
    payload.append(step.operation.rawValue | configuration.unknownOperationFlags)
    payload.append(UInt32(0))
    payload.append(number)
    payload.append(step.position)
    payload.append(step.count)
    payload.append(Int64(step.written))
    var mapping = step.mapping
    if step.hasGrown { mapping.flags |= MappingFlags.sizeChanged }
    if step.isStale { mapping.flags |= MappingFlags.stale }
    if configuration.revision == .v6 {
      (mapping.address, mapping.device) = (Special.nullAddress, 0)
    }
    payload.append(mapping)
    return payload.bytes
  }
}
