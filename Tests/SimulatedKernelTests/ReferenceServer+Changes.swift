import Foundation
import Glibc
import KernelDouble
import SystemPackage
import TestSupport

/// IOEND, END, SETATTR, FALLOCATE, and what makes them durable.
extension ReferenceServer {
  func ioend(_ request: Request) throws -> [UInt8] {
    if fault == .completionWaitsForFsync { waitForFsyncs() }
    return try withLock { try ioendLocked(request) }
  }

  func waitForFsyncs() {
    let end = Date().addingTimeInterval(20)
    while withLock({ fsyncs > 0 }) && Date() < end { usleep(1000) }
  }

  private func ioendLocked(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    let flags: UInt32 = request.body.get(0)
    let error: Int32 = request.body.get(4)
    let position: UInt64 = request.body.get(16)
    let long: UInt64 = isV7 ? request.body.get(32) : 0
    let short: UInt32 = request.body.get(32)
    let written = isV7 ? long : UInt64(short)
    let end = position + written
    if isReadOnly {
      // The journal has been aborted.
      if fault != .forgetsFailures { inode.hasFailed = true }
      throw Refusal(EIO)
    }
    if error != 0 {
      if fault == .convertsFailedWrites {
        convert(inode, position, end)
      } else if flags & 0x40 == 0 {
        inode.hasFailed = true
      }
      throw Refusal(-error)
    }
    if flags & 0x02 != 0 { convert(inode, position, end) }
    if flags & 0x40 != 0 && fault == .swapoffConverts { convert(inode, 0, inode.size) }
    if flags & 0x10 != 0 {
      let isShrinking = fault == .shrinksOnRepeat && end < inode.size
      if end > inode.size || isShrinking { inode.size = end }
    }
    inode.isDirty = true
    guard isV7 else { return fault == .wrongCompletionLength ? [0, 0, 0, 0, 0, 0, 0, 0] : [] }
    var writer = ByteWriter()
    writer.put(inode.size + (fault == .wrongNewSize ? 1 : 0))
    return fault == .wrongCompletionLength ? [] : writer.bytes
  }

  private func convert(_ inode: ReferenceInode, _ start: UInt64, _ end: UInt64) {
    let size = options.blockSize
    var stop = (end + size - 1) / size
    if fault == .convertsTooMuch { stop += 1 }
    for block in (start / size)..<max(start / size, stop) {
      inode.blocks[block]?.isUnwritten = false
    }
  }

  func end(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    let flags: UInt32 = request.body.get(0)
    let position: UInt64 = request.body.get(16)
    let written: Int64 = request.body.get(32)
    let mapFlags: UInt16 = request.body.get(40 + 26)
    let raises = flags & 0x11 == 1 && mapFlags & 0x100 != 0 && written > 0
    let isOurs = !isV7 || fault == .endRaisesSize
    if raises && isOurs { inode.size = max(inode.size, position + UInt64(written)) }
    return []
  }

  // MARK: SETATTR

  func setattr(_ request: Request) throws -> [UInt8] {
    let valid: UInt32 = request.body.get(0)
    return try withLock { try setattrLocked(request, valid) }
  }

  private func setattrLocked(_ request: Request, _ valid: UInt32) throws -> [UInt8] {
    let inode = try inode(request)
    if isShutDown { throw Refusal(EIO) }
    if fault == .checksOwner && valid & 1 != 0 && request.uid != inode.uid && request.uid != 0 {
      throw Refusal(EPERM)
    }
    if valid & 1 != 0 {
      let mode: UInt32 = request.body.get(68)
      inode.mode = inode.mode & 0o170000 | mode & 0o7777
    }
    if valid & 2 != 0 { inode.uid = request.body.get(76) }
    if valid & 4 != 0 { inode.gid = request.body.get(80) }
    if valid & 8 != 0 { try truncate(inode, to: request.body.get(16)) }
    func time(_ seconds: Int, _ nanoseconds: Int) -> InodeTruth.Time {
      .init(seconds: request.body.get(seconds), nanoseconds: request.body.get(nanoseconds))
    }
    if valid & 16 != 0 { inode.accessTime = time(32, 56) }
    if valid & 32 != 0 { inode.modificationTime = time(40, 60) }
    if valid & 1024 != 0 { inode.changeTime = time(48, 64) }
    if fault == .bumpsChangeTime { inode.changeTime.nanoseconds += 1 }
    inode.isDirty = true
    var reply = attributes(inode)
    if fault == .wrongTruncatedSize && valid & 8 != 0 { reply[16 + 8] ^= 1 }
    return reply
  }

  private func truncate(_ inode: ReferenceInode, to size: UInt64) throws {
    if inode.inline != nil {
      inode.size = size
      return
    }
    let block = options.blockSize
    var first = (size + block - 1) / block
    if fault == .freesLastBlock && size % block != 0 && size < inode.size { first -= 1 }
    free(inode, from: first, to: .max)
    inode.size = size
  }

  private func free(_ inode: ReferenceInode, from first: UInt64, to end: UInt64) {
    for (block, known) in inode.blocks where block >= first && block < end {
      inode.blocks[block] = nil
      release(known.device)
    }
  }

  /// An UPSERT that was computed before a change arrives after it.
  private func replayStale() {
    guard fault == .lateUpsert, let known = stale, let inode = inodes[known.node] else { return }
    _ = upsert(inode, known.mapping)
  }

  // MARK: FALLOCATE

  func fallocate(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    let offset: UInt64 = request.body.get(8)
    let length: UInt64 = request.body.get(16)
    let mode: UInt32 = request.body.get(24)
    let size = options.blockSize
    guard mode & ~19 == 0 else { throw Refusal(EOPNOTSUPP) }
    let (inner, last) = ((offset + size - 1) / size, (offset + length) / size)
    if mode & 18 != 0 && inner < last { free(inode, from: inner, to: last) }
    if fault == .zeroesEdges && mode & 18 != 0 { zeroEdges(inode, offset, offset + length) }
    if mode & 2 == 0 {
      for block in (offset / size)...((offset + length - 1) / size)
      where inode.blocks[block] == nil {
        guard let place = allocateBlock(near: inode.blocks[block &- 1]?.device) else {
          throw Refusal(ENOSPC)
        }
        let isWritten = fault == .allocatesWrittenAhead
        inode.blocks[block] = ReferenceInode.Block(device: place, isUnwritten: !isWritten)
      }
    }
    if mode & 1 == 0 { inode.size = max(inode.size, offset + length) }
    if fault == .staleAfterTrim { trim(inode) }
    if fault == .unalignedInval { invalidate(inode, 1, size) }
    inode.isDirty = true
    return []
  }

  /// Changes a mapping that the request is not about, without telling the kernel.
  private func trim(_ inode: ReferenceInode) {
    guard let block = inode.blocks.keys.min(), let known = inode.blocks[block] else { return }
    guard let place = allocateBlock(near: nil) else { return }
    inode.blocks[block] = ReferenceInode.Block(device: place, isUnwritten: known.isUnwritten)
  }

  private func zeroEdges(_ inode: ReferenceInode, _ start: UInt64, _ end: UInt64) {
    let size = options.blockSize
    guard start % size != 0, let known = inode.blocks[start / size] else { return }
    let count = Int(min(size - start % size, end - start))
    let zeros = [UInt8](repeating: 0, count: count)
    _ = pwrite(options.device, zeros, count, off_t(known.device * size + start % size))
  }

  // MARK: Durability

  func fsync(_ request: Request) throws -> [UInt8] {
    let inode: ReferenceInode = try withLock { try self.inode(request) }
    if withLock({ isShutDown }) { throw Refusal(EIO) }
    withLock { fsyncs += 1 }
    defer { withLock { fsyncs -= 1 } }
    if fault == .oneLockForAll {
      withLock { flushDevice() }
    } else if fault != .fsyncWithoutFlush {
      commit()
    }
    try withLock { () throws -> Void in try passOn(inode) }
    return []
  }

  private func passOn(_ inode: ReferenceInode) throws {
    guard inode.hasFailed else { return }
    inode.hasFailed = false
    throw Refusal(EIO)
  }

  func flush(_ request: Request) throws -> [UInt8] { [] }

  func syncfs(_ request: Request) throws -> [UInt8] {
    if fault == .noSyncfs { throw Refusal(ENOSYS) }
    withLock { replayStale() }
    commit()
    return []
  }

  func freeze(_ request: Request) throws -> [UInt8] {
    flushDevice()
    writeMetadata()
    flushDevice()
    let orphans: UInt64 = request.body.get(0)
    scratch["clean"] = orphans == 0 ? 1 : 0
    isFrozen = true
    return []
  }

  // MARK: Data of files that the kernel does not do itself

  func read(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    let offset: UInt64 = request.body.get(8)
    let count: UInt32 = request.body.get(16)
    if let bytes = inode.inline {
      let end = min(bytes.count, Int(offset) + Int(count))
      var part = Array(bytes[min(Int(offset), end)..<end])
      let room = Int(count) - part.count
      part += [UInt8](repeating: 0, count: max(0, room))
      if fault == .longInlineRead { part += [1, 2, 3] }
      return part
    }
    guard offset < inode.size else { return [] }
    return bytes(inode, offset, min(inode.size, offset + UInt64(count)))
  }

  private func bytes(_ inode: ReferenceInode, _ start: UInt64, _ end: UInt64) -> [UInt8] {
    let size = options.blockSize
    var result: [UInt8] = []
    var position = start
    while position < end {
      let stop = min(end, (position / size + 1) * size)
      var part = [UInt8](repeating: 0, count: Int(stop - position))
      if let known = inode.blocks[position / size] {
        _ = pread(
          options.device, &part, part.count, off_t(known.device * size + position % size))
      }
      result += part
      position = stop
    }
    return result
  }

  func write(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    let offset: UInt64 = request.body.get(8)
    let bytes = Array(request.body.bytes[40...])
    let end = Int(offset) + bytes.count
    if inode.inline != nil {
      let missing = max(0, end - (inode.inline?.count ?? 0))
      inode.inline? += [UInt8](repeating: 0, count: missing)
      inode.inline?.replaceSubrange(Int(offset)..<end, with: bytes)
    } else {
      try writePlainly(inode, offset, bytes)
    }
    inode.size = max(inode.size, UInt64(end))
    var writer = ByteWriter()
    writer.put(UInt32(bytes.count))
    writer.put(UInt32(0))
    return writer.bytes
  }

  private func writePlainly(_ inode: ReferenceInode, _ offset: UInt64, _ bytes: [UInt8]) throws {
    let size = options.blockSize
    var done = 0
    while done < bytes.count {
      let position = offset + UInt64(done)
      let count = min(bytes.count - done, Int(size - position % size))
      if inode.blocks[position / size] == nil {
        guard let place = allocateBlock(near: nil) else { throw Refusal(ENOSPC) }
        inode.blocks[position / size] = ReferenceInode.Block(device: place, isUnwritten: false)
      }
      let place = (inode.blocks[position / size]?.device ?? 0) * size + position % size
      _ = Array(bytes[done..<(done + count)]).withUnsafeBytes {
        pwrite(options.device, $0.baseAddress, count, off_t(place))
      }
      done += count
    }
  }

  func copyRange(_ request: Request) throws -> [UInt8] {
    guard fault == .copiesRanges else { throw Refusal(EOPNOTSUPP) }
    var writer = ByteWriter()
    if request.opcode == 53 { writer.put(UInt64(0)) } else { writer.put(UInt64(0)) }
    return writer.bytes
  }
}
