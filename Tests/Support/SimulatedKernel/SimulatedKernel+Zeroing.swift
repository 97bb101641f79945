import Glibc
import SystemPackage

/// Zeroes written by the kernel, not the server: tails, gaps, punch edges (ABI 1.1).
extension SimulatedKernel {
  /// iomap_zero_range over [start, end).
  func zeroRange(_ inode: KernelInode, from start: UInt64, to end: UInt64) throws(Errno) {
    guard start < end else { return }
    var mayHoldData = hasDirtyPages(inode, from: start, to: end)
    var position = start
    while position < end {
      let mapping = try map(inode, .zero, at: position, count: end - position)
      var step = Step(
        operation: .zero, position: position,
        count: min(end, mapping.target.end) - position, written: 0, mapping: mapping.target)
      if mapping.target.type == MappingType.hole || mapping.target.type == MappingType.unwritten {
        if mayHoldData {
          // Dirty pages over blocks that read as zeros: out with them, and ask again.
          mayHoldData = false
          step.isStale = true
          try writeBack(inode, from: position, to: position + step.count)
        } else {
          step.written = step.count
        }
      } else if mapping.target.type == MappingType.inline {
        step.written = try zeroInline(inode, mapping, position, step.count)
        position += step.written
        continue
      } else {
        try zeroStep(inode, mapping, &step)
      }
      try self.end(step, of: inode)
      position += step.written
    }
  }

  private func hasDirtyPages(_ inode: KernelInode, from start: UInt64, to end: UInt64) -> Bool {
    let (first, last) = (start / pageSize, (end - 1) / pageSize)
    return inode.monitor.withLock {
      inode.pages.values.contains {
        $0.index >= first && $0.index <= last && ($0.dirty != 0 || $0.writesInFlight > 0)
      }
    }
  }

  private func zeroStep(
    _ inode: KernelInode, _ mapping: Mapping, _ step: inout Step
  ) throws(Errno) {
    while step.written < step.count {
      let position = step.position + step.written
      let index = position / pageSize
      let stop = min(step.position + step.count, (index + 1) * pageSize)
      guard let page = lockPage(inode, index, create: true) else { return }
      defer { unlockPage(inode, page) }
      guard isValid(mapping, inode) else {
        step.isStale = true
        if page.upToDate == 0 { inode.monitor.withLock { inode.pages[index] = nil } }
        return
      }
      let (from, to) = (Int(position - index * pageSize), Int(stop - index * pageSize))
      try prepare(page, inode, mapping.source, from, to)
      inode.monitor.withLock {
        memset(page.bytes + from, 0, to - from)
        page.upToDate |= blockMask(from, to)
        page.dirty |= blockMask(from, to)
      }
      markDirty(inode)
      step.written += stop - position
    }
  }
}
