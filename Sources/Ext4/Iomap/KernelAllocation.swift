import IomapCache
import Journal
import Synchronization
import SystemPackage

// Blocks for data that the kernel writes. They are recorded before the kernel has written anything, so that they must read
// as zeros until it has.
extension Inode {
  /// The most bytes that are taken at a time, those ahead of a growing file apart.
  private static let largestPiece: UInt64 = 128 << 20

  /// Gives blocks to the hole at `position`, if there is one, and returns whether there was. `io` held exclusively.
  func fillHole(at position: FileOffset, count: UInt64) throws(Ext4Error) -> Bool {
    return try volume.changeWithoutCommit { () throws(Ext4Error) in
      guard
        let plan = try volume.metadata.withLock({ () throws(Ext4Error) in
          try planAllocation(at: position, count: count)
        })
      else { return false }
      if !plan.extents[0].isUnwritten { try zero(plan) }
      try volume.metadata.withLock { () throws(Ext4Error) in
        try volume.step { () throws(Ext4Error) in try record(plan) }
      }
      return true
    }
  }

  private struct AllocationPlan {
    var extents: [Extent]
    /// Where what was asked for ends, in blocks; what lies behind was taken ahead.
    var end: UInt64
  }

  /// Takes the blocks. Nil when `position` is in no hole. Metadata lock held.
  private func planAllocation(
    at position: FileOffset, count: UInt64
  ) throws(Ext4Error) -> AllocationPlan? {
    let hole = try mapping(at: position, metadataHeld: true)
    guard hole.kind == .hole else { return nil }
    let shift = volume.blockShift
    let limit = volume.maximumFileSize(of: self)
    let asked = position.rawValue.addingReportingOverflow(min(count, Self.largestPiece))
    let end = asked.overflow ? limit : min(asked.partialValue, limit)
    let first = position.rawValue >> shift
    let holeEnd = min(hole.end.rawValue, mapEnd.rawValue) >> shift
    let wantedEnd = max(min((end + UInt64(volume.blockSize) - 1) >> shift, holeEnd), first + 1)
    // A file that grows behind what it has will go on growing. Most files are written once, at their beginning.
    let grows = first > 0 && hole.end >= mapEnd && end > size
    let ahead = grows && flags.contains(.extents) ? blocksToTakeAhead(behind: wantedEnd) : 0
    let lastEnd = min(wantedEnd + ahead, holeEnd, limit >> shift)
    var extents = try takeBlocks(
      from: UInt32(first), to: max(lastEnd, wantedEnd), runs: Credits.runsPerStep)
    if flags.contains(.extents) {
      for index in extents.indices { extents[index].isUnwritten = true }
    }
    return AllocationPlan(extents: extents, end: wantedEnd)
  }

  /// As much again as the file has, so that a file of any size grows in few steps; less when there is little room.
  private func blocksToTakeAhead(behind end: UInt64) -> UInt64 {
    let room = volume.allocatableBlocks / 32
    return min(end, Self.largestPiece >> volume.blockShift, room)
  }

  /// Zeros on stable storage, and no copy of them left in the page cache of the device.
  private func zero(_ plan: AllocationPlan) throws(Ext4Error) {
    let shift = volume.blockShift
    do throws(Errno) {
      for extent in plan.extents {
        try volume.device.writeZeros(
          UInt64(extent.count) << shift, at: extent.physical.rawValue << shift)
      }
      try volume.device.synchronize()
    } catch {
      volume.metadata.withLock { giveBack(plan.extents) }
      throw .library(code: Int(error.rawValue), doing: "zeroing new blocks", number)
    }
    for extent in plan.extents {
      volume.forgetDeviceCopies(
        of: BlockRun(first: extent.physical, count: UInt64(extent.count)))
    }
  }

  /// Enters the blocks into the file's map, as far as there is room for it: at least the first stretch of them, or ENOSPC.
  /// Metadata lock held.
  private func record(_ plan: AllocationPlan) throws(Ext4Error) {
    var recorded = 0
    do throws(Ext4Error) {
      for extent in plan.extents {
        try record(extent)
        recorded += 1
      }
    } catch {
      giveBack(Array(plan.extents[recorded...]))
      if recorded == 0 || error.isDamage { throw error }
    }
    let end = plan.extents[recorded - 1].end
    if end > plan.end { notePreallocation(plan.end..<end) }
    hasNewBlocks.store(true, ordering: .releasing)
    try store()
  }
}
