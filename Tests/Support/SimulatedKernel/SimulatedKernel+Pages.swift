import Glibc
import SystemPackage

/// The page cache: locking pages, filling them, dropping them.
extension SimulatedKernel {
  /// The bits of the blocks of a page that [start, end), in bytes within it, touches.
  func blockMask(_ start: Int, _ end: Int) -> UInt8 {
    guard start < end else { return 0 }
    let size = Int(min(blockSize, pageSize))
    let (first, last) = (start / size, (end - 1) / size)
    return UInt8(truncatingIfNeeded: ((1 << (last + 1)) - 1) & ~((1 << first) - 1))
  }

  var wholePage: UInt8 { blockMask(0, Int(pageSize)) }

  /// The page, locked; nil: there is none and none is wanted.
  func lockPage(_ inode: KernelInode, _ index: UInt64, create: Bool) -> Page? {
    inode.monitor.withLock { lockPageHeld(inode, index, create: create) }
  }

  /// `inode.monitor` held.
  func lockPageHeld(_ inode: KernelInode, _ index: UInt64, create: Bool) -> Page? {
    let deadline = Deadline(milliseconds: configuration.deadline)
    while true {
      guard let page = inode.pages[index] else {
        guard create else { return nil }
        let page = Page(index: index, size: Int(pageSize))
        page.isLocked = true
        inode.pages[index] = page
        return page
      }
      if !page.isLocked {
        page.isLocked = true
        return page
      }
      if !inode.monitor.wait(until: deadline) {
        rules.fail("page \(index) of node \(inode.node) stays locked; \(connection.outstanding)")
        page.isLocked = false
      }
    }
  }

  func unlockPage(_ inode: KernelInode, _ page: Page) {
    inode.monitor.withLock {
      page.isLocked = false
      inode.monitor.broadcast()
    }
  }

  /// Waits until nothing of [start, end) is on its way to the device.
  func waitForPages(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    let first = start / pageSize
    let last = end == .max ? UInt64.max : (end + pageSize - 1) / pageSize
    let isDone = inode.monitor.withLock {
      inode.monitor.wait(until: Deadline(milliseconds: configuration.deadline)) {
        !inode.pages.values.contains {
          $0.writesInFlight > 0 && $0.index >= first && $0.index < last
        }
      }
    }
    if !isDone {
      rules.fail("writeback of node \(inode.node) does not end; \(connection.outstanding)")
    }
  }

  /// Drops the whole pages in [start, end), zeroes the parts of the others: truncate_pagecache_range.
  /// The caller has written back what is to stay.
  func truncatePages(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    let (size, deadline) = (pageSize, Deadline(milliseconds: configuration.deadline))
    inode.monitor.withLock {
      let (first, last) = (start / size, end == .max ? UInt64.max : (end - 1) / size)
      for index in inode.pages.keys.filter({ $0 >= first && $0 <= last }) {
        guard let page = inode.pages[index] else { continue }
        _ = inode.monitor.wait(until: deadline) { !page.isLocked && page.writesInFlight == 0 }
        let (pageStart, pageEnd) = (index * size, (index + 1) * size)
        if start <= pageStart && end >= pageEnd {
          inode.pages[index] = nil
        } else {
          let (from, to) = (max(start, pageStart) - pageStart, min(end, pageEnd) - pageStart)
          memset(page.bytes + Int(from), 0, Int(to - from))
        }
      }
    }
  }

  /// Drops all pages that can be read again: clean, not in use. `vm.drop_caches`.
  public func dropPageCache(_ node: UInt64) throws(Errno) {
    let inode = try inode(node)
    dropCleanPages(inode, from: 0, to: .max)
  }

  /// invalidate_inode_pages2_range: as `dropCleanPages`, but waits for pages in use; ENOTBLK when one
  /// is dirty again.
  func invalidatePages(_ inode: KernelInode, from start: UInt64, to end: UInt64) throws(Errno) {
    let (first, last) = (start / pageSize, (end - 1) / pageSize)
    let deadline = Deadline(milliseconds: configuration.deadline)
    let isClean = inode.monitor.withLock { () -> Bool in
      var isClean = true
      for index in inode.pages.keys.filter({ $0 >= first && $0 <= last }) {
        while let page = inode.pages[index], page.isLocked || page.writesInFlight > 0 {
          if !inode.monitor.wait(until: deadline) { break }
        }
        if inode.pages[index]?.dirty == 0 {
          inode.pages[index] = nil
        } else if inode.pages[index] != nil {
          isClean = false
        }
      }
      return isClean
    }
    if !isClean { throw Errno(rawValue: ENOTBLK) }
  }

  func dropCleanPages(_ inode: KernelInode, from start: UInt64, to end: UInt64) {
    let (size, first) = (pageSize, start / pageSize)
    let last = end == .max ? UInt64.max : (end + size - 1) / size
    inode.monitor.withLock {
      for (index, page) in inode.pages where index >= first && index < last {
        if page.dirty == 0 && !page.isLocked && page.writesInFlight == 0 {
          inode.pages[index] = nil
        }
      }
    }
  }

  /// Forgets the mappings, as the byte limit or memory pressure would.
  public func dropMappingCache(_ node: UInt64) throws(Errno) {
    let inode = try inode(node)
    inode.monitor.withLock { inode.dropMappings(from: blockSize, to: .max, maximum: .max) }
    inode.monitor.withLock { inode.dropMappings(from: 0, to: blockSize, maximum: .max) }
  }

  /// Reads blocks of a locked page from where a mapping says, those of `mask`.
  func fill(
    _ page: Page, _ mask: UInt8, from mapping: WireMapping, isize: UInt64
  ) throws(Errno) {
    let size = Int(min(blockSize, pageSize))
    for block in 0..<(Int(pageSize) / size) where mask & (1 << UInt8(block)) != 0 {
      let position = page.index * pageSize + UInt64(block * size)
      let target = UnsafeMutableRawBufferPointer(start: page.bytes + block * size, count: size)
      let isZero =
        mapping.type != MappingType.mapped || mapping.flags & MappingFlags.new != 0
        || position >= isize
      if isZero {
        memset(page.bytes + block * size, 0, size)
      } else if !device.read(target, at: mapping.deviceOffset(of: position)) {
        throw .ioError
      }
    }
  }

  func markDirty(_ inode: KernelInode) {
    monitor.withLock { dirtyInodes[inode.node] = inode }
  }
}
