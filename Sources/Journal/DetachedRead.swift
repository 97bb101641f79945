import Glibc
import SystemPackage

/// A block of the cache that is read from the device while others use the cache.
///
/// The cache's owner allows it (`beginDetachedReads`) and calls for blocks. Where a block must be read first, the call throws
/// `notInMemory`. The owner then takes the read (`takeMissing`), gives up its lock, does the read (`run`), takes the lock again, gives
/// the read back (`finish`) and begins again.
public final class DetachedRead: @unchecked Sendable {
  let buffer: BlockCache.Buffer
  private let device: BlockDevice
  private let offset: UInt64
  private let size: Int
  /// The block has come into the cache by another way, or was freed: what is read may be out of date. Belongs to the cache's owner.
  fileprivate(set) var isStale = false
  fileprivate private(set) var failure: Errno?

  init(_ buffer: BlockCache.Buffer, of device: BlockDevice, at offset: UInt64, size: Int) {
    self.buffer = buffer
    self.device = device
    self.offset = offset
    self.size = size
  }

  /// Waits for the device. No lock is needed, nor should one be held.
  public func run() {
    do throws(Errno) {
      try device.read(
        into: UnsafeMutableRawBufferPointer(start: buffer.data, count: size), at: offset)
    } catch {
      failure = error
    }
  }
}

extension Errno {
  /// A block is not in memory, and the caller does not want to wait for it with the lock held. The device itself never gives this error.
  public static let notInMemory = Errno(rawValue: 0x4E49_4D00)
}

/// What a cache knows of its detached reads.
struct DetachedReads {
  /// Whether what is not in memory is to be read without the lock.
  var isWanted = false
  /// What was called for and is not in memory.
  var missing: BlockNumber?
  fileprivate var underWay: [DetachedRead] = []
  /// A block that could not be read, for the next call for it.
  fileprivate var failed: (block: BlockNumber, error: Errno)?

  func failure(of block: BlockNumber) -> Errno? {
    guard let failed, failed.block == block else { return nil }
    return failed.error
  }

  func note(inserted block: BlockNumber) {
    guard !underWay.isEmpty else { return }
    for read in underWay where read.buffer.block == block { read.isStale = true }
  }

  func note(forgotten first: BlockNumber, count: UInt64) {
    guard !underWay.isEmpty else { return }
    for read in underWay where read.buffer.block >= first && read.buffer.block < first + count {
      read.isStale = true
    }
  }
}

extension BlockCache {
  /// From now on, calls for a missing block throw and do not wait for the device. This ends with a change, or with `endDetachedReads`.
  public func beginDetachedReads() {
    detached.isWanted = true
    detached.missing = nil
  }

  public func endDetachedReads() {
    detached.isWanted = false
    detached.failed = nil
  }

  /// The read of the block that was not in memory; nil if there is no memory for it.
  public func takeMissing() -> DetachedRead? {
    guard let block = detached.missing, let offset = try? byteOffset(of: block, count: 1),
      let buffer = try? Buffer(block: block, size: blockSize)
    else { return nil }
    detached.missing = nil
    let read = DetachedRead(buffer, of: device, at: offset, size: blockSize)
    detached.underWay.append(read)
    return read
  }

  /// Puts the block into the cache, unless it has changed meanwhile. If it could not be read, calls for it throw the error until
  /// `endDetachedReads`.
  public func finish(_ read: DetachedRead) {
    detached.underWay.removeAll { $0 === read }
    guard !read.isStale, !contains(read.buffer.block) else { return }
    if let error = read.failure {
      detached.failed = (read.buffer.block, error)
    } else {
      insert(read.buffer)
    }
  }
}
