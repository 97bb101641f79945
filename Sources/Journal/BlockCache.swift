import Glibc
import SystemPackage

/// Metadata blocks in memory: read once, changed in place, written back together.
///
/// Not safe for concurrent use: the owner serialises all calls (the volume's metadata lock). A buffer stays where it is until `trim`
/// or `forget`, so a caller may hold on to it for as long as it holds that lock.
public final class BlockCache {
  /// What a block holds, for callers that check a block only once.
  public enum Content: Sendable {
    case directoryEntries, directoryIndex, attributes, extents
  }

  public final class Buffer {
    public let block: BlockNumber
    public let data: UnsafeMutableRawPointer
    /// What the contents have passed the checks for (checksum, structure) since they were read. On a damaged image two
    /// owners may claim a block, and one must not trust what was checked for the other.
    public var verifiedAs: Content?
    fileprivate(set) var isDirty = false
    /// A copy is on its way to the device or into the log; what is read there is older until it arrives.
    fileprivate var isBeingWritten = false

    func endWriting() { isBeingWritten = false }
    fileprivate var wasUsed = true

    /// ENOMEM.
    init(block: BlockNumber, size: Int) throws(Errno) {
      // Aligned to pages, each would take two of them.
      guard let memory = malloc(size) else { throw .noMemory }
      self.block = block
      data = memory
    }

    deinit { free(data) }
  }

  public let device: BlockDevice
  /// Bytes a block; the power of two that the file system uses.
  public private(set) var blockSize = 1024
  /// Where changed blocks go, and from where some come back, if the file system has a journal.
  public var log: JournalLog?
  private var buffers: [UInt64: Buffer] = [:]
  private var dirty: [Buffer] = []
  public let statistics = CacheStatistics()
  /// Goes up with every change of a block.
  public private(set) var changeCount: UInt64 = 0
  /// Reads whose callers have given up the lock meanwhile (`DetachedRead`).
  var detached = DetachedReads()

  public init(device: BlockDevice) {
    self.device = device
  }

  public var isDirty: Bool { !dirty.isEmpty }

  /// What the cached blocks hold.
  public var byteCount: Int { buffers.count * blockSize }

  /// How many blocks have changed, at most.
  public var dirtyCount: Int { dirty.count }

  /// Changes the unit of block numbers. Everything cached is written back and dropped.
  public func setBlockSize(_ size: Int) throws(Errno) {
    guard size != blockSize else { return }
    try writeBack()
    buffers.removeAll()
    blockSize = size
  }

  public func contains(_ block: BlockNumber) -> Bool { buffers[block.rawValue] != nil }

  /// The buffer of `block`, read from the device if it isn't there.
  public func read(_ block: BlockNumber) throws(Errno) -> Buffer {
    if let buffer = buffers[block.rawValue] {
      buffer.wasUsed = true
      statistics.noteHit()
      return buffer
    }
    statistics.noteMiss()
    let buffer = try Buffer(block: block, size: blockSize)
    let bytes = UnsafeMutableRawBufferPointer(start: buffer.data, count: blockSize)
    let offset = try byteOffset(of: block, count: 1)
    if log?.list.read(block, into: bytes) != true {
      try readFromDevice(block, into: bytes, at: offset)
    }
    insert(buffer)
    return buffer
  }

  private func readFromDevice(
    _ block: BlockNumber, into bytes: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(Errno) {
    if let error = detached.failure(of: block) { throw error }
    guard detached.isWanted else { return try device.read(into: bytes, at: offset) }
    if try device.readWithoutWaiting(into: bytes, at: offset) { return }
    detached.missing = block
    throw .notInMemory
  }

  func insert(_ buffer: Buffer) {
    detached.note(inserted: buffer.block)
    buffers[buffer.block.rawValue] = buffer
  }

  /// The buffer of `block` for a caller who replaces all of its contents. Not read from the device;
  /// what it holds is undefined when it was not cached.
  public func overwrite(_ block: BlockNumber) throws(Errno) -> Buffer {
    if let buffer = buffers[block.rawValue] {
      buffer.wasUsed = true
      buffer.verifiedAs = nil
      return buffer
    }
    _ = try byteOffset(of: block, count: 1)
    let buffer = try Buffer(block: block, size: blockSize)
    insert(buffer)
    return buffer
  }

  /// Says that the contents of `buffer` have changed and must reach the device.
  public func markDirty(_ buffer: Buffer) {
    noteChange()
    guard !buffer.isDirty else { return }
    buffer.isDirty = true
    dirty.append(buffer)
  }

  /// Something has changed, in a block or elsewhere: the caller's step cannot be begun again.
  public func noteChange() {
    changeCount &+= 1
    detached.isWanted = false
  }

  /// Drops the blocks without writing them: they were freed, and may become another owner's data.
  public func forget(_ first: BlockNumber, count: UInt64) {
    detached.note(forgotten: first, count: count)
    if count > UInt64(buffers.count) {
      let end = first + count
      for (number, buffer) in buffers where number >= first.rawValue && number < end.rawValue {
        buffer.isDirty = false
        buffers[number] = nil
      }
    } else {
      for number in first.rawValue..<(first + count).rawValue {
        if let buffer = buffers.removeValue(forKey: number) { buffer.isDirty = false }
      }
    }
  }

  /// Writes all changed blocks to the device, in the order of their numbers. When a write fails the
  /// rest is still tried, what failed stays dirty, and the first error is thrown. Where there is a log, which is the way of all
  /// changes, nothing is written.
  public func writeBack() throws(Errno) {
    guard !dirty.isEmpty, log == nil else { return }
    var pending = dirty.filter { $0.isDirty }
    pending.sort { $0.block < $1.block }
    dirty.removeAll(keepingCapacity: true)
    var failure: Errno?
    for buffer in pending {
      do throws(Errno) {
        try device.write(
          UnsafeRawBufferPointer(start: buffer.data, count: blockSize),
          at: try byteOffset(of: buffer.block, count: 1))
        buffer.isDirty = false
      } catch {
        failure = failure ?? error
        dirty.append(buffer)
      }
    }
    if let failure { throw failure }
  }

  /// The changed buffers, in the order of their numbers, from now on unchanged and on their way.
  func takeDirty() -> [Buffer] {
    let taken = dirty.filter { $0.isDirty }.sorted { $0.block < $1.block }
    dirty.removeAll(keepingCapacity: true)
    for buffer in taken {
      buffer.isDirty = false
      buffer.isBeingWritten = true
    }
    return taken
  }

  /// False once the block was forgotten.
  func isCurrent(_ buffer: Buffer) -> Bool { buffers[buffer.block.rawValue] === buffer }

  /// Gives up what has changed.
  public func dropChanges() {
    for buffer in dirty { buffer.isDirty = false }
    dirty.removeAll()
  }

  /// Drops clean blocks that were not used since the last call, once more than `limit` bytes are held.
  /// Invalidates every buffer that callers may still hold.
  public func trim(to limit: Int) {
    guard buffers.count * blockSize > limit else { return }
    for (number, buffer) in buffers where !buffer.isDirty && !buffer.isBeingWritten {
      if buffer.wasUsed { buffer.wasUsed = false } else { buffers[number] = nil }
    }
  }

  /// Where `block` begins on the device, in bytes; EIO unless all of the `count` blocks from there on are
  /// within the device. A block number may be any, since a damaged image may hold any.
  func byteOffset(of block: BlockNumber, count: UInt64) throws(Errno) -> UInt64 {
    let size = UInt64(blockSize)
    let offset = block.rawValue.multipliedReportingOverflow(by: size)
    let length = count.multipliedReportingOverflow(by: size)
    guard !offset.overflow, !length.overflow else { throw .ioError }
    try device.check(length.partialValue, at: offset.partialValue)
    return offset.partialValue
  }
}
