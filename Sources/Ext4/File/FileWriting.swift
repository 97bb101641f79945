import Glibc
import IomapCache
import Journal
import SystemPackage

extension Inode {
  /// What a write does besides storing bytes.
  public struct WriteOptions: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The kernel writes back its page cache: it keeps the times itself, and takes no short count for an answer.
    public static let writeback = WriteOptions(rawValue: 1)
    /// The writer may not keep a set-user-id or set-group-id bit.
    public static let clearSetID = WriteOptions(rawValue: 2)
    /// The writer is in the file's group.
    public static let inGroup = WriteOptions(rawValue: 4)
  }

  /// Writes `buffer` at `offset`, taking blocks as needed, and returns how many bytes found room; ENOSPC when none
  /// did. Overwriting what the file has takes no lock but the inode's own, shared.
  public func write(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64, options: WriteOptions
  ) throws(Ext4Error) -> Int {
    guard !buffer.isEmpty else { return 0 }
    let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.count))
    guard !overflow, end <= volume.maximumFileSize(of: self) else { throw .errno(.fileTooLarge) }
    try volume.requireWritable()
    try requireWritable(options)
    try requireOwnData()
    noteServerData()
    if !options.contains(.writeback) { noteWriteTime() }
    defer { if options.contains(.writeback) { volume.noteWriteback() } }
    try dropPrivileges(options)
    var done = 0
    while done < buffer.count {
      let start = offset + UInt64(done)
      let rest = UnsafeRawBufferPointer(
        rebasing: buffer[done..<(done + stepLength(buffer.count - done, at: start))])
      if try overwrite(rest, at: start, end: end) { break }
      do throws(Ext4Error) {
        done += try writeStep(rest, at: start)
      } catch {
        // The kernel's writeback takes no short count for an answer.
        guard error.errno == .noSpace, done > 0, !options.contains(.writeback) else { throw error }
        return done
      }
    }
    return buffer.count
  }

  /// Writes all of `buffer` at `offset`. ENOSPC if there is not room for all of it; the file is as long as before then. The
  /// kernel makes EIO of an answer that is short (`fuse_get_res_by_io` in its fs/fuse/file.c).
  public func writeAll(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64, options: WriteOptions
  ) throws(Ext4Error) {
    let size = sizeInBytes.load(ordering: .acquiring)
    guard try write(buffer, at: offset, options: options) < buffer.count else { return }
    if sizeInBytes.load(ordering: .acquiring) > size { try resize(to: size) }
    throw .errno(.noSpace)
  }

  /// Writes as much of `buffer` as one step may find blocks for, and returns how much.
  private func writeStep(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64
  ) throws(Ext4Error) -> Int {
    try io.withWriteLock { () throws(Ext4Error) in
      try volume.changeWithoutCommit(credits: Credits.allocation + dataCredits) {
        () throws(Ext4Error) in
        try extend(buffer, at: offset)
      }
    }
  }

  /// Stores the bytes if all of them fall on blocks that the file has and that were written before. Returns false,
  /// having done nothing, otherwise.
  private func overwrite(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64, end: UInt64
  ) throws(Ext4Error) -> Bool {
    try io.withReadLock { () throws(Ext4Error) in
      guard end <= sizeInBytes.load(ordering: .acquiring), !hasInlineData.load(ordering: .relaxed),
        !journalsData
      else { return false }
      var position = FileOffset(offset)
      while position.rawValue < end {
        let mapping = try mapping(at: position)
        guard mapping.kind == .mapped else { return false }
        position = mapping.end
      }
      try store(buffer, at: offset)
      return true
    }
  }

  /// Sends the bytes to blocks that are all mapped.
  private func store(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(Ext4Error) {
    var done = 0
    while done < buffer.count {
      let position = FileOffset(offset + UInt64(done))
      let mapping = try mapping(at: position)
      let length = Int(min(UInt64(buffer.count - done), mapping.end - position))
      try writeDevice(
        UnsafeRawBufferPointer(rebasing: buffer[done..<(done + length)]),
        at: mapping.address(of: position))
      done += length
    }
  }

  /// Writes where blocks are missing, unwritten, or the file ends. The data is on its way to disk before any
  /// metadata says where it is: first blocks are taken, then written, then recorded. `io` held exclusively and
  /// `commitGate` shared.
  private func extend(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64
  ) throws(Ext4Error) -> Int {
    if hasInlineData.load(ordering: .relaxed) {
      try volume.withMetadata { () throws(Ext4Error) in
        try volume.step { () throws(Ext4Error) in try moveInlineDataToBlocks() }
      }
    }
    try zeroBehindEnd(upTo: offset)
    var plan = try volume.withMetadata { () throws(Ext4Error) in
      try requireStorable()
      return try planWrite(from: offset, to: offset + UInt64(buffer.count))
    }
    let count = Int(plan.end - offset)
    do throws(Ext4Error) {
      for piece in plan.pieces { try write(buffer, at: offset, to: piece) }
      try volume.metadata.withLock { () throws(Ext4Error) in
        try volume.step { () throws(Ext4Error) in try recordWrite(&plan, end: plan.end) }
      }
    } catch {
      volume.metadata.withLock { undo(plan) }
      throw error
    }
    return count
  }

  /// What a write goes to: stretches of the file that are stored in one place.
  private struct WritePlan {
    struct Piece {
      /// Where the bytes go; whole blocks, except that existing data is written as it comes.
      var mapping: Mapping
      /// The blocks hold nothing yet, so that what the write does not fill becomes zeros.
      var isFresh: Bool
    }

    var pieces: [Piece] = []
    var taken: [Extent] = []
    var recorded = 0
    /// Unwritten blocks that become written.
    var conversions: [Mapping] = []
    /// Where the write ends: short of what was asked for when the file system is full, or in too many pieces for one step.
    var end: UInt64

    /// Blocks that must be given back when the write fails.
    var unrecorded: [Extent] { Array(taken[recorded...]) }
  }

  /// Metadata lock held.
  private func planWrite(from start: UInt64, to end: UInt64) throws(Ext4Error) -> WritePlan {
    var plan = WritePlan(end: end)
    let shift = volume.blockShift
    let lastBlock = (end + UInt64(volume.blockSize) - 1) >> shift
    var block = start >> shift
    while block < lastBlock {
      let position = FileOffset(block << shift)
      let mapping: Mapping
      do throws(Ext4Error) {
        mapping = try self.mapping(at: position, metadataHeld: true)
      } catch {
        giveBack(plan.taken)
        throw error
      }
      let pieceEnd = min(mapping.end.rawValue >> shift, lastBlock)
      let clipped = mapping.clipped(from: position, to: FileOffset(pieceEnd << shift))
      switch mapping.kind {
      case .mapped:
        plan.pieces.append(.init(mapping: clipped, isFresh: false))
      case .unwritten:
        plan.pieces.append(.init(mapping: clipped, isFresh: true))
        plan.conversions.append(clipped)
        if plan.conversions.count >= Credits.runsPerStep {
          plan.end = min(end, pieceEnd << shift)
          return plan
        }
      case .hole:
        let taken: [Extent]
        do throws(Ext4Error) {
          taken = try takeBlocks(
            from: UInt32(block), to: pieceEnd, runs: Credits.runsPerStep - plan.taken.count)
        } catch {
          guard error.errno == .noSpace, position.rawValue > start else {
            giveBack(plan.taken)
            throw error
          }
          plan.end = position.rawValue
          return plan
        }
        plan.taken += taken
        plan.pieces += taken.map { .init(mapping: $0.mapping(blockShift: shift), isFresh: true) }
        let reached = taken.last!.end
        if reached < pieceEnd || plan.taken.count >= Credits.runsPerStep {
          plan.end = min(end, reached << shift)
          return plan
        }
      case .delalloc, .inline, .noCache, .retryCache, .pureOverwrite:
        throw .corrupted(number, what: "a file is mapped in a way that ext4 does not have")
      }
      block = pieceEnd
    }
    return plan
  }

  /// Writes the part of `buffer`, which begins at `offset` of the file, that falls on `piece`.
  private func write(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64, to piece: WritePlan.Piece
  ) throws(Ext4Error) {
    let mapping = piece.mapping
    let start = max(offset, mapping.offset.rawValue)
    let end = min(offset + UInt64(buffer.count), mapping.end.rawValue)
    if piece.isFresh {
      let head = start - mapping.offset.rawValue
      let tail = mapping.end.rawValue - end
      if head > 0 { try zeroDevice(head, at: mapping.address) }
      if tail > 0 { try zeroDevice(tail, at: mapping.address(of: FileOffset(end))) }
    }
    try writeDevice(
      UnsafeRawBufferPointer(rebasing: buffer[Int(start - offset)..<Int(end - offset)]),
      at: mapping.address(of: FileOffset(start)))
  }

  /// Metadata lock held.
  private func recordWrite(_ plan: inout WritePlan, end: UInt64) throws(Ext4Error) {
    for extent in plan.taken {
      try record(extent)
      plan.recorded += 1
    }
    for mapping in plan.conversions where mapping.offset.rawValue < end { try convert(mapping) }
    if end > size { size = end }
    volume.noteLargeFile(self)
    if !plan.taken.isEmpty { hasNewBlocks.store(true, ordering: .releasing) }
    try store()
  }

  /// Takes back what a failed write has recorded behind the end of the file, and what it has not. Metadata lock held.
  private func undo(_ plan: WritePlan) {
    giveBack(plan.unrecorded)
    guard plan.recorded > 0 else { return }
    do throws(Ext4Error) {
      while try !removeSomeBlocksBehindEnd() {}
      try store()
    } catch {
      if error.isOfDevice { volume.stopWriting(after: error) } else { volume.noteLocked(error) }
    }
  }

  /// Zeroes the rest of the last block when the file is about to grow beyond it: what stands there was never the
  /// file's. Where the kernel moves the data, it does that. `io` held exclusively.
  func zeroBehindEnd(upTo newEnd: UInt64) throws(Ext4Error) {
    guard !isServedByIomap.load(ordering: .relaxed) else { return }
    let end = sizeInBytes.load(ordering: .acquiring)
    let within = end % UInt64(volume.blockSize)
    guard newEnd > end, within != 0 else { return }
    try zeroMapped(from: end, to: min(newEnd, end - within + UInt64(volume.blockSize)))
  }

  /// Writes zeros over the mapped blocks in [`start`, `end`); holes and unwritten blocks are zeros already.
  func zeroMapped(from start: UInt64, to end: UInt64) throws(Ext4Error) {
    var position = FileOffset(start)
    while position.rawValue < end {
      let mapping = try mapping(at: position)
      let stop = min(mapping.end.rawValue, end)
      if mapping.kind == .mapped {
        try zeroDevice(stop - position.rawValue, at: mapping.address(of: position))
      }
      position = FileOffset(stop)
    }
  }

  /// Within a transaction, for a file whose data is journaled.
  func writeDevice(
    _ buffer: UnsafeRawBufferPointer, at address: DeviceOffset, metadataHeld: Bool = false
  ) throws(Ext4Error) {
    if journalsData {
      if metadataHeld { return try writeJournaled(buffer, at: address) }
      return try volume.metadata.withLock { () throws(Ext4Error) in
        try writeJournaled(buffer, at: address)
      }
    }
    do throws(Errno) {
      try volume.device.write(buffer, at: address.rawValue)
      volume.noteUnflushedData()
    } catch {
      throw dataFailure(error)
    }
    if let range = writeBehind.note(buffer.count, at: address.rawValue) {
      volume.device.startWritingOut(range.count, at: range.lowerBound)
    }
  }

  private func dataFailure(_ error: Errno) -> Ext4Error {
    let failure = Ext4Error.library(
      code: Int(error.rawValue), doing: "writing file data", number)
    volume.health.note(dataError: failure)
    return failure
  }

  private func zeroDevice(_ count: UInt64, at address: DeviceOffset) throws(Ext4Error) {
    if journalsData {
      return try volume.metadata.withLock { () throws(Ext4Error) in
        try zeroJournaled(Int(count), at: address)
      }
    }
    do throws(Errno) {
      try volume.device.writeZeros(count, at: address.rawValue)
      volume.noteUnflushedData()
    } catch {
      throw dataFailure(error)
    }
  }
}

extension Timestamp {
  var nanosecondsSince1970: Int64 { seconds &* 1_000_000_000 &+ Int64(nanoseconds) }

  init(nanosecondsSince1970 time: Int64) {
    let (seconds, nanoseconds) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
    self.init(seconds: seconds, nanoseconds: UInt32(nanoseconds))
  }
}
