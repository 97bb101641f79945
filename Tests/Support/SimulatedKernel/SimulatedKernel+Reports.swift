import CLinux
import Glibc
import SystemPackage

/// FIEMAP, SEEK_HOLE, SEEK_DATA, swap files, copy_file_range.
extension SimulatedKernel {
  /// What FIEMAP shows: the mappings, holes left out.
  public struct FileExtent: Sendable, Equatable {
    public let offset: UInt64
    public let length: UInt64
    public let address: UInt64
    public let isUnwritten: Bool
  }

  public func fiemap(_ file: OpenFile) throws(Errno) -> [FileExtent] {
    let inode = file.inode
    inode.ioLock.lockShared()
    defer { inode.ioLock.unlockShared() }
    // FIEMAP_FLAG_SYNC, as filefrag(8) asks for.
    try writeBackAll(inode)
    var extents: [FileExtent] = []
    try report(inode, from: 0, to: session.maximumBytes) { mapping in
      if mapping.hasBlocks {
        extents.append(
          FileExtent(
            offset: mapping.offset, length: mapping.length, address: mapping.address,
            isUnwritten: mapping.type == MappingType.unwritten))
      }
      return true
    }
    return extents
  }

  /// REPORT over a range, until `body` says false.
  func report(
    _ inode: KernelInode, from start: UInt64, to end: UInt64, _ body: (WireMapping) -> Bool
  ) throws(Errno) {
    var position = start
    while position < end {
      let mapping = try map(inode, .report, at: position, count: end - position)
      if !body(mapping.target) { return }
      position = mapping.target.end
    }
  }

  /// SEEK_DATA and SEEK_HOLE; ENXIO behind the end.
  public func seek(_ file: OpenFile, from start: UInt64, forData: Bool) throws(Errno) -> UInt64 {
    let inode = file.inode
    inode.ioLock.lockShared()
    defer { inode.ioLock.unlockShared() }
    let size = inode.monitor.withLock { inode.size }
    guard start < size else { throw .noSuchAddressOrDevice }
    var found: UInt64?
    try report(inode, from: start, to: size) { mapping in
      let (from, to) = (max(start, mapping.offset), min(size, mapping.end))
      switch mapping.type {
      case MappingType.hole: if !forData { found = from }
      case MappingType.unwritten:
        found = seekInCache(inode, from, to, forData: forData)
      default: if forData { found = from }
      }
      return found == nil
    }
    if let found { return found }
    guard !forData else { throw .noSuchAddressOrDevice }
    return size
  }

  /// In unwritten blocks the page cache decides (mapping_seek_hole_data).
  private func seekInCache(
    _ inode: KernelInode, _ start: UInt64, _ end: UInt64, forData: Bool
  ) -> UInt64? {
    let block = min(blockSize, pageSize)
    var position = start
    return inode.monitor.withLock {
      while position < end {
        let page = inode.pages[position / pageSize]
        let place = Int(position % pageSize)
        let isData = (page?.upToDate ?? 0) & blockMask(place, place + 1) != 0
        if isData == forData { return position }
        position = roundDown(position, block) + block
      }
      return nil
    }
  }

  // MARK: Swap files

  /// The extents of a swap file, held until `swapOff`.
  public func swapOn(_ file: OpenFile) throws(Errno) -> [FileExtent] {
    let inode = file.inode
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    try writeBackAll(inode)
    let size = roundDown(inode.monitor.withLock { inode.size }, pageSize)
    var extents: [FileExtent] = []
    do throws(Errno) {
      var position: UInt64 = 0
      while position < size {
        let mapping = try map(
          inode, [.report, .swapfile], at: position, count: size - position)
        let target = mapping.target
        let isFit =
          target.hasBlocks && target.flags & (MappingFlags.dirty | MappingFlags.shared) == 0
        guard isFit else { throw .invalidArgument }
        extents.append(
          FileExtent(
            offset: target.offset, length: target.length, address: target.address,
            isUnwritten: target.type == MappingType.unwritten))
        position = target.end
      }
    } catch {
      swapEnds(inode, error)
      throw error
    }
    rules.exercise(.i35)
    inode.monitor.withLock { inode.isSwapfile = true }
    return extents
  }

  public func swapOff(_ file: OpenFile) {
    file.inode.monitor.withLock { file.inode.isSwapfile = false }
    swapEnds(file.inode, nil)
  }

  private func swapEnds(_ inode: KernelInode, _ error: Errno?) {
    _ = ioend(
      inode, flags: CompletionFlags.swapoff, at: 0, written: 0, error: error,
      address: Special.nullAddress, device: 0)
    rules.exercise(.i62)
  }

  // MARK: Copies

  /// COPY_FILE_RANGE (or its 64-bit variant); EOPNOTSUPP is what a server had better say (I-71).
  public func copyRange(
    _ source: OpenFile, at position: UInt64, to target: OpenFile, at targetPosition: UInt64,
    count: UInt64, isLong: Bool = false
  ) throws(Errno) -> UInt64 {
    try writeBack(source.inode, from: position, to: position + count)
    let inode = target.inode
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    try writeBack(inode, from: targetPosition, to: targetPosition + count)
    var payload = MessageWriter(capacity: 56)
    for value in [
      source.handle, position, target.node, target.handle, targetPosition, count, 0,
    ] {
      payload.append(value)
    }
    let reply = try connection.exchange(
      isLong ? .copyFileRange64 : .copyFileRange, node: source.node, payload.bytes)
    rules.check(
      .i71, reply.error == EOPNOTSUPP,
      "COPY_FILE_RANGE of iomap files answered with errno \(reply.error)")
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
    let copied = reply.payload.read { isLong ? $0.u64(0) : UInt64($0.u32(0)) }
    inode.monitor.withLock {
      inode.dropMappings(
        from: roundDown(targetPosition, blockSize),
        to: roundUp(targetPosition + copied, blockSize), maximum: session.maximumBytes)
    }
    dropCleanPages(inode, from: targetPosition, to: targetPosition + copied)
    return copied
  }
}
