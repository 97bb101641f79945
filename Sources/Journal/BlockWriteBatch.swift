import Glibc
import SystemPackage

/// Changed blocks as they were at one moment, to be written while the cache goes on changing.
///
/// The cache's owner takes and finishes it; any thread may write it, without the owner's lock. One batch at a time.
public final class BlockWriteBatch: @unchecked Sendable {
  fileprivate let buffers: [BlockCache.Buffer]
  /// What the buffers held, one block after the other.
  private let copies: UnsafeMutableRawBufferPointer
  private let device: BlockDevice
  private let blockSize: Int
  /// Those that could not be written.
  fileprivate private(set) var failed: [BlockCache.Buffer] = []

  fileprivate init(_ buffers: [BlockCache.Buffer], device: BlockDevice, blockSize: Int) {
    self.buffers = buffers
    self.device = device
    self.blockSize = blockSize
    copies = .allocate(byteCount: max(buffers.count * blockSize, 1), alignment: 4096)
    for (index, buffer) in buffers.enumerated() {
      memcpy(copies.baseAddress! + index * blockSize, buffer.data, blockSize)
    }
  }

  deinit { copies.deallocate() }

  /// Writes all blocks, neighbours together. When a write fails the rest is still tried, and the first error is thrown.
  public func write() throws(Errno) {
    var failure: Errno?
    var first = 0
    while first < buffers.count {
      var end = first + 1
      while end < buffers.count, buffers[end].block == buffers[end - 1].block + 1 { end += 1 }
      do throws(Errno) {
        try device.write(
          UnsafeRawBufferPointer(rebasing: copies[first * blockSize..<end * blockSize]),
          at: buffers[first].block.rawValue * UInt64(blockSize))
      } catch {
        failure = failure ?? error
        failed += buffers[first..<end]
      }
      first = end
    }
    if let failure { throw failure }
  }
}

extension BlockCache {
  /// The changed blocks as they are now. They count as unchanged from here on, and stay in memory until `finish`.
  public func takeChanged() -> BlockWriteBatch {
    let changed = takeDirty()
    return BlockWriteBatch(changed, device: device, blockSize: blockSize)
  }

  /// The batch was written, but for what failed, which counts as changed again.
  public func finish(_ batch: BlockWriteBatch) {
    for buffer in batch.buffers { buffer.endWriting() }
    for buffer in batch.failed where isCurrent(buffer) { markDirty(buffer) }
  }
}
