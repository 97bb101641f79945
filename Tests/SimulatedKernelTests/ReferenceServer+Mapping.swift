import Foundation
import Glibc
import KernelDouble
import SystemPackage
import TestSupport

/// BEGIN: where the bytes of a file are, with blocks allocated when they are to be written.
extension ReferenceServer {
  private static let (write, zero, report, faultFlag, direct):
    (
      UInt32, UInt32, UInt32, UInt32, UInt32
    ) = (1, 2, 4, 8, 16)
  private static let atomic: UInt32 = 0x200
  private static let swapfile: UInt32 = 0x4000_0000
  private static let writeback: UInt32 = 0x8000_0000

  struct Question {
    let flags: UInt32
    let position: UInt64
    let count: UInt64

    /// Blocks are wanted.
    var allocates: Bool {
      flags & (ReferenceServer.write | ReferenceServer.writeback) != 0
    }
  }

  func begin(_ request: Request) throws -> [UInt8] {
    if fault == .beginWaitsForFsync { waitForFsyncs() }
    return try withLock { try beginLocked(request) }
  }

  private func beginLocked(_ request: Request) throws -> [UInt8] {
    let question = Question(
      flags: request.body.get(0), position: request.body.get(16), count: request.body.get(24))
    let number: UInt64 = request.body.get(8)
    if isShutDown { throw Refusal(EIO) }
    guard let inode = inodes[self.number(ofNode: request.node)], inode.isRegular,
      inode.number == number
    else {
      if fault == .mapsUnknownNodes {
        return reply(ReferenceMapping(offset: 0, length: 1 << 20, type: 0))
      }
      throw Refusal(ESTALE)
    }
    if fault == .unimplementedBegin && question.flags == 0 { throw Refusal(ENOSYS) }
    if fault == .choosyAboutFlags && question.flags & 0x0080_0000 != 0 { throw Refusal(EINVAL) }
    if fault == .invalidatesInode {
      var writer = ByteWriter()
      writer.put(node(of: inode))
      writer.put(Int64(0))
      writer.put(Int64(-1))
      _ = notify(2, writer.bytes)
    }
    if question.allocates {
      if isReadOnly { throw Refusal(EROFS) }
      if question.position >= maximumBytes && fault != .noTooLarge { throw Refusal(EFBIG) }
      if fault == .noSpaceAtWriteback && question.flags & Self.writeback != 0 {
        throw Refusal(ENOSPC)
      }
    }
    if let bytes = inode.inline {
      let isChange = question.allocates || question.flags & Self.zero != 0
      guard isChange else { return reply(inlineMapping(question, inode)) }
      try convertInline(inode, bytes)
    }
    if question.position >= maximumBytes {
      if fault == .noTooLarge {
        return reply(ReferenceMapping(offset: 0, length: 1 << 20, type: 0))
      }
      throw Refusal(EFBIG)
    }
    let isAllocating =
      question.allocates || fault == .readAllocates && question.flags & 0x16 == 0
    if isAllocating { try allocate(question, inode) }
    if question.flags & Self.atomic != 0 { return try atomicReply(question, inode) }
    var mapping = mapping(of: inode, at: question.position)
    if question.flags & Self.swapfile != 0 {
      if fault != .dirtySwapfile && (mapping.type == 0 || inode.isDirty) {
        commitForSwap(inode)
        mapping = self.mapping(of: inode, at: question.position)
        if mapping.type == 0 { throw Refusal(EINVAL) }
      }
      return reply(mapping)
    }
    return try answer(question, mapping, inode)
  }

  private func commitForSwap(_ inode: ReferenceInode) {
    flushDevice()
    inode.isDirty = false
  }

  private func answer(
    _ question: Question, _ mapping: ReferenceMapping, _ inode: ReferenceInode
  ) throws -> [UInt8] {
    var mapping = mapping
    let isReport = question.flags & Self.report != 0
    if fault == .rememberEverything { hoard.append([UInt8](repeating: 1, count: 16_384)) }
    if fault == .reliesOnCache && !isReport {
      let key = "\(inode.number) \(mapping.offset) \(mapping.length) \(mapping.type)"
      if scratch.updateValue(1, forKey: key) != nil { return retry(mapping) }
    }
    if fault == .foreignBlock && mapping.type == 2 { mapping.address += options.blockSize }
    if fault == .newFlag && question.allocates { mapping.flags |= 1 }
    if fault == .retriesWithoutUpsert { return retry(mapping) }
    if fault == .atomicInCache { mapping.flags |= 0x40 }
    if !isReport || fault == .upsertsReports {
      if let error = upsert(inode, mapping) {
        // A hole that is cached there would hide what is about to be written from SEEK_DATA.
        if question.allocates { invalidate(inode, mapping.offset, mapping.length) }
        if fault == .failsWithUpsert { throw error }
        return reply(fault == .unclippedReply ? mapping : clipped(mapping, question))
      }
      if fault == .lateUpsert && mapping.type == 3 { stale = (inode.number, mapping) }
      return retry(mapping)
    }
    return reply(mapping)
  }

  private func clipped(_ mapping: ReferenceMapping, _ question: Question) -> ReferenceMapping {
    let size = options.blockSize
    let start = max(mapping.offset, question.position / size * size)
    let end = min(
      mapping.offset + mapping.length, (question.position + question.count + size - 1) / size * size
    )
    var part = mapping
    part.offset = start
    part.length = end - start
    if mapping.address != .max { part.address += start - mapping.offset }
    return part
  }

  /// The largest mapping of one kind around a position.
  func mapping(of inode: ReferenceInode, at position: UInt64) -> ReferenceMapping {
    let size = options.blockSize
    let block = position / size
    guard let found = inode.blocks[block] else {
      let next = inode.blocks.keys.filter { $0 > block }.min() ?? maximumBytes / size
      let start = inode.blocks.keys.filter { $0 < block }.max().map { $0 + 1 } ?? 0
      return ReferenceMapping(offset: start * size, length: (next - start) * size, type: 0)
    }
    func continues(_ other: UInt64) -> Bool {
      guard let candidate = inode.blocks[other] else { return false }
      return candidate.isUnwritten == found.isUnwritten
        && candidate.device &- found.device == other &- block
    }
    var (start, end) = (block, block + 1)
    while start > 0, continues(start - 1) { start -= 1 }
    while continues(end) { end += 1 }
    let isMarked = inode.isDirty && fault != .noDirtyFlag
    return ReferenceMapping(
      offset: start * size, length: (end - start) * size,
      address: (found.device - (block - start)) * size, type: found.isUnwritten ? 3 : 2,
      flags: isMarked ? 2 : 0, device: cookie)
  }

  func reply(_ mapping: ReferenceMapping) -> [UInt8] {
    var writer = ByteWriter()
    var read = mapping
    if fault == .uncoveredSlot { read.offset += options.blockSize * 1000 }
    read.put(into: &writer)
    putWriteSlot(mapping, &writer)
    if fault == .longBeginReply { writer.zeros(8) }
    return writer.bytes
  }

  private func retry(_ mapping: ReferenceMapping) -> [UInt8] {
    var writer = ByteWriter()
    var read = mapping
    (read.type, read.address, read.device, read.flags) = (254, .max, 0, 0)
    if fault == .uncoveredSlot { read.offset += options.blockSize * 1000 }
    read.put(into: &writer)
    putWriteSlot(mapping, &writer)
    if fault == .longBeginReply { writer.zeros(8) }
    return writer.bytes
  }

  private func putWriteSlot(_ mapping: ReferenceMapping, _ writer: inout ByteWriter) {
    var slot = mapping
    (slot.type, slot.address, slot.device, slot.flags) = (255, .max, 0, 0)
    if fault == .mappedWriteSlot && mapping.type != 254 { slot.type = 0 }
    slot.put(into: &writer)
  }

  private func atomicReply(_ question: Question, _ inode: ReferenceInode) throws -> [UInt8] {
    guard supportsAtomic || fault == .atomicInCache else { throw Refusal(EOPNOTSUPP) }
    guard question.count == options.blockSize, question.position % options.blockSize == 0 else {
      throw Refusal(EINVAL)
    }
    var mapping = clipped(mapping(of: inode, at: question.position), question)
    if fault == .atomicInCache {
      _ = upsert(inode, mapping)
      return retry(mapping)
    }
    mapping.flags |= 0x40
    return reply(mapping)
  }

  private func inlineMapping(_ question: Question, _ inode: ReferenceInode) -> ReferenceMapping {
    let size = options.blockSize
    if question.position < size { return ReferenceMapping(offset: 0, length: size, type: 4) }
    return ReferenceMapping(offset: size, length: maximumBytes - size, type: 0)
  }

  /// 4.9 (a): before the first write the data moves to a block, and what was cached goes.
  private func convertInline(_ inode: ReferenceInode, _ bytes: [UInt8]) throws {
    guard let place = allocateBlock(near: nil) else { throw Refusal(ENOSPC) }
    let padding = [UInt8](repeating: 0, count: Int(options.blockSize) - bytes.count)
    write(bytes + padding, at: place * options.blockSize)
    flushDevice()
    invalidateDevice(place, 1)
    inode.inline = nil
    inode.blocks[0] = ReferenceInode.Block(device: place, isUnwritten: false)
    inode.isDirty = true
    invalidate(inode, 0, .max)
  }

  // MARK: Allocation

  /// Fills holes from `position` on, as far as 64 blocks, at least the one there.
  private func allocate(_ question: Question, _ inode: ReferenceInode) throws {
    let size = options.blockSize
    let first = question.position / size
    let end = min(first + 64, (question.position + max(1, question.count) - 1) / size + 1)
    for block in first..<end where inode.blocks[block] == nil {
      guard let place = allocateBlock(near: inode.blocks[block &- 1]?.device) else {
        if block > first { break }
        throw Refusal(ENOSPC)
      }
      if options.isIndirect && fault != .unzeroedBlocks { zero(place) }
      let isWritten = options.isIndirect || fault == .allocatesWritten
      inode.blocks[block] = ReferenceInode.Block(device: place, isUnwritten: !isWritten)
      inode.isDirty = true
    }
    if options.isIndirect && inode.isDirty { flushDevice() }
    if fault == .movesBlocks, let known = inode.blocks[first],
      let place = allocateBlock(near: nil)
    {
      inode.blocks[first] = ReferenceInode.Block(
        device: place, isUnwritten: known.isUnwritten)
    }
    if fault == .writesFileBlocks, let known = inode.blocks[first] {
      write([UInt8](repeating: 0, count: Int(size)), at: known.device * size)
    }
  }

  private func zero(_ place: UInt64) {
    write([UInt8](repeating: 0, count: Int(options.blockSize)), at: place * options.blockSize)
    invalidateDevice(place, 1)
  }

  func allocateBlock(near goal: UInt64?) -> UInt64? {
    if free.isEmpty && !freed.isEmpty {
      // Only a commit makes freed blocks free; here it is a flush with the metadata in memory.
      commit()
    }
    if let goal, free.remove(goal + 1) != nil { return goal + 1 }
    for _ in 0..<options.blocks {
      nextBlock += 1
      if nextBlock >= options.blocks { nextBlock = Self.firstDataBlock }
      if free.remove(nextBlock) != nil { return nextBlock }
    }
    return nil
  }

  func release(_ place: UInt64) {
    if fault == .reusesAtOnce {
      invalidateDevice(place, 1)
      free.insert(place)
      nextBlock = place - 1
    } else {
      freed.append(place)
    }
  }
}
