import Glibc
import Synchronization

/// Whose the blocks of the device are, as seen from the mappings that the server hands out, and what
/// the server itself does with the device.
///
/// All sizes in here are in file system blocks unless they are called bytes or offsets.
final class DeviceLedger: @unchecked Sendable {
  /// What is known of a block of the device.
  struct DeviceBlock {
    /// The inode that it belongs or last belonged to; 0: none seen.
    var owner: UInt64 = 0
    var fileBlock: UInt32 = 0
    /// The owner may have given it up.
    var isReleased = false
    /// By a request that frees it, so that it is not the owner's any more when that is done. An INVAL may mean nothing.
    var isFreed = false
    /// There has been a DEV_INVAL since then.
    var isInvalidated = false
    /// May be in the device's page cache through I/O of the server.
    var isCachedByServer = false
    /// Completed flushes when it was released, and when the server last wrote it.
    var releasedAtFlush: UInt64 = 0
    var writtenAtFlush: UInt64 = 0
  }

  let blockSize: UInt64
  private let count: Int
  let rules: RuleBook
  private let configuration: SimulatedKernel.Configuration
  let device: BlockDeviceFile
  let history: MessageHistory
  let monitor = Monitor()

  // Under `monitor`.
  private var blocks: [DeviceBlock]
  var files: [UInt64: FileBlocks] = [:]
  private(set) var flushes: UInt64 = 0
  private var flushesBegun: UInt64 = 0
  private(set) var serverWrites: UInt64 = 0
  var isFrozen = false
  var isShutDown = false
  var isClosed = false
  /// Flushes take until this is unset: a slow disk.
  var areFlushesHeld = false {
    didSet { monitor.broadcast() }
  }
  let unflushed: UnflushedWrites?

  init(
    size: UInt64, blockSize: UInt64, rules: RuleBook, configuration: SimulatedKernel.Configuration,
    device: BlockDeviceFile, history: MessageHistory
  ) {
    self.blockSize = blockSize
    self.rules = rules
    self.configuration = configuration
    self.device = device
    self.history = history
    count = Int(size / blockSize)
    blocks = [DeviceBlock](repeating: DeviceBlock(), count: count)
    unflushed = configuration.recordsUnflushedWrites ? UnflushedWrites(device) : nil
  }

  private func range(_ offset: UInt64, _ bytes: Int) -> Range<Int> {
    let first = min(count, Int(offset / blockSize))
    let (sum, overflow) = offset.addingReportingOverflow(UInt64(max(bytes, 0)))
    let end = overflow ? count : min(count, Int((sum + blockSize - 1) / blockSize))
    return first..<max(first, end)
  }

  // MARK: The server's own I/O

  func serverRead(_ offset: UInt64, _ bytes: Int) {
    guard !configuration.serverUsesDirectIO else { return }
    monitor.withLock {
      for block in range(offset, bytes) { blocks[block].isCachedByServer = true }
    }
  }

  func serverWrites(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
    unflushed?.record(offset, bytes)
    monitor.withLock {
      serverWrites += 1
      rules.exercise(.i69)
      if isFrozen { rules.violate(.i75, "device write at \(hex(offset)) while frozen") }
      if isShutDown { rules.violate(.i76, "device write at \(hex(offset)) after shutdown") }
      if isClosed { rules.violate(.i77, "device write at \(hex(offset)) after DESTROY") }
      for block in range(offset, bytes.count) {
        if blocks[block].owner != 0 && !blocks[block].isReleased {
          rules.violate(
            .i69,
            "the server writes block \(block), which is block \(blocks[block].fileBlock) of inode"
              + " \(blocks[block].owner)")
        }
        blocks[block].writtenAtFlush = flushes
        if !configuration.serverUsesDirectIO { blocks[block].isCachedByServer = true }
      }
    }
  }

  /// What the kernel itself writes for a file.
  func kernelWrites(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
    unflushed?.record(offset, bytes)
  }

  /// A write with FUA is durable by itself; others are not. Nothing is known of it block by block.
  func fuaEnded(_ addresses: [UInt64]) {
    unflushed?.forceUnit(addresses)
  }

  func flushBegins() -> UInt64 {
    unflushed?.mark()
    return monitor.withLock {
      flushesBegun += 1
      return flushesBegun
    }
  }

  func flushEnded(from mark: UInt64?) {
    monitor.withLock {
      _ = monitor.wait(until: Deadline(milliseconds: configuration.deadline)) { !areFlushesHeld }
    }
    unflushed?.flushed()
    monitor.withLock { flushes += 1 }
  }

  func deviceInvalidated(_ offset: UInt64, _ bytes: UInt64) {
    monitor.withLock {
      rules.exercise(.i66)
      let bytes = Int(min(bytes, UInt64(Int.max)))
      for block in range(offset, bytes) {
        blocks[block].isCachedByServer = false
        blocks[block].isInvalidated = true
      }
    }
  }

  var flushCount: UInt64 { monitor.withLock { flushes } }
  var serverWriteCount: UInt64 { monitor.withLock { serverWrites } }

  // MARK: Blocks of files, under `monitor`

  subscript(block: UInt64) -> DeviceBlock {
    get { block < UInt64(count) ? blocks[Int(block)] : DeviceBlock() }
    set { if block < UInt64(count) { blocks[Int(block)] = newValue } }
  }

  /// The server's I/O passes the device's page cache by.
  var isUncached: Bool { configuration.serverUsesDirectIO }

  func isInside(_ block: UInt64) -> Bool { block < UInt64(count) }
}
