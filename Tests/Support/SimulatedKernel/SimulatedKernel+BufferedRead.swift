import Glibc
import SystemPackage

/// read(2) and loads through the page cache.
extension SimulatedKernel {
  /// At most `count` bytes, less at the end of the file.
  public func read(_ file: OpenFile, at position: UInt64, count: Int) throws(Errno) -> [UInt8] {
    let inode = file.inode
    guard inode.usesIomap else { return try readPlainly(file, position, count) }
    guard count > 0 else { return [] }
    inode.ioLock.lockShared()
    defer { inode.ioLock.unlockShared() }
    return try readPages(inode, position, count)
  }

  /// A load through a shared mapping; nothing beyond the last page of the file (SIGBUS).
  public func load(_ file: OpenFile, at position: UInt64, count: Int) throws(Errno) -> [UInt8] {
    guard file.inode.usesIomap else { return try readPlainly(file, position, count) }
    return try readPages(file.inode, position, count)
  }

  func readPages(_ inode: KernelInode, _ position: UInt64, _ count: Int) throws(Errno) -> [UInt8] {
    let size = inode.monitor.withLock { inode.size }
    guard position < size else { return [] }
    let end = min(size, position + UInt64(count))
    var bytes = [UInt8](repeating: 0, count: Int(end - position))
    var done = 0
    while done < bytes.count {
      let (current, from) = (position + UInt64(done), done)
      let index = current / pageSize
      let stop = min(end, (index + 1) * pageSize)
      let (start, finish) = (Int(current - index * pageSize), Int(stop - index * pageSize))
      let mask = blockMask(start, finish)
      let isThere = inode.monitor.withLock { () -> Bool in
        guard let page = inode.pages[index], page.upToDate & mask == mask else { return false }
        bytes.withUnsafeMutableBytes {
          _ = memcpy($0.baseAddress! + from, page.bytes + start, finish - start)
        }
        return true
      }
      if isThere {
        done += finish - start
      } else {
        let wanted = min(roundUp(end - index * pageSize, pageSize), roundUp(size, pageSize))
        try readAhead(inode, index, wanted: wanted / pageSize)
        // It may have shrunk meanwhile.
        let now = inode.monitor.withLock { inode.size }
        if now <= current { return Array(bytes[..<done]) }
      }
    }
    return bytes
  }

  /// Brings page `index` in, and some behind it that are not there yet.
  private func readAhead(_ inode: KernelInode, _ index: UInt64, wanted: UInt64) throws(Errno) {
    inode.invalidateLock.lockShared()
    defer { inode.invalidateLock.unlockShared() }
    let size = inode.monitor.withLock { inode.size }
    guard index * pageSize < size else { return }
    let last = (size - 1) / pageSize
    let window = min(max(wanted, 1), configuration.readaheadPages)
    var pages: [Page] = []
    if let first = lockPage(inode, index, create: true) { pages.append(first) }
    inode.monitor.withLock {
      var next = index + 1
      while next <= last, next < index + window, inode.pages[next] == nil {
        let page = Page(index: next, size: Int(pageSize))
        page.isLocked = true
        inode.pages[next] = page
        pages.append(page)
        next += 1
      }
    }
    let result: Result<Void, Errno>
    do throws(Errno) {
      try fillMissing(inode, pages, isize: size)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    inode.monitor.withLock {
      for page in pages {
        page.isLocked = false
        if page.upToDate == 0 && page.dirty == 0 { inode.pages[page.index] = nil }
      }
      inode.monitor.broadcast()
    }
    try result.get()
  }

  /// Contiguous locked pages: every block that is not up to date comes from disk.
  private func fillMissing(_ inode: KernelInode, _ pages: [Page], isize: UInt64) throws(Errno) {
    guard let first = pages.first, let last = pages.last else { return }
    let end = (last.index + 1) * pageSize
    var position = first.index * pageSize
    let block = min(blockSize, pageSize)
    while position < end {
      let page = pages[Int(position / pageSize - first.index)]
      let bit = blockMask(Int(position % pageSize), Int(position % pageSize) + 1)
      if page.upToDate & bit != 0 {
        position += block
        continue
      }
      let mapping = try map(inode, [], at: position, count: end - position)
      var place = position
      let stop = min(end, mapping.target.end)
      while place < stop {
        let page = pages[Int(place / pageSize - first.index)]
        let pageStart = page.index * pageSize
        let mask = blockMask(
          Int(place - pageStart), Int(min(stop, pageStart + pageSize) - pageStart))
        let missing = mask & ~page.upToDate
        if mapping.target.type == MappingType.inline {
          try fillInline(inode, page, mapping.target)
        } else {
          try fill(page, missing, from: mapping.target, isize: isize)
        }
        inode.monitor.withLock { page.upToDate |= missing }
        place = pageStart + pageSize
      }
      position = max(stop, position + block)
    }
  }
}
