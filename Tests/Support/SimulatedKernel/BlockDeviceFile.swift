import Glibc
import SystemPackage
import TestSupport

/// The image as the kernel's block device: what file data is read from and written to.
final class BlockDeviceFile: @unchecked Sendable {
  let size: UInt64
  private let descriptor: CInt
  private let monitor = Monitor()
  private var softBlockSize: UInt32
  private let logicalBlockSize: UInt32

  init(_ path: FilePath, configuration: SimulatedKernel.Configuration) throws(Errno) {
    descriptor = try Syscall.open(path, O_RDWR)
    let end = lseek(descriptor, 0, SEEK_END)
    size = configuration.deviceSize ?? UInt64(max(end, 0))
    softBlockSize = configuration.deviceBlockSize
    logicalBlockSize = configuration.logicalBlockSize
  }

  deinit { close(descriptor) }

  var blockSize: UInt32 {
    get { monitor.withLock { softBlockSize } }
    set { monitor.withLock { softBlockSize = newValue } }
  }

  /// As the block layer judges it (ABI 2.2).
  func isPossible(blockSize: UInt32) -> Bool {
    blockSize >= logicalBlockSize && blockSize <= 65536 && blockSize & (blockSize - 1) == 0
  }

  func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
    guard isInside(offset, buffer.count) else { return false }
    return pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) == buffer.count
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) -> Bool {
    guard isInside(offset, buffer.count) else { return false }
    return pwrite(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) == buffer.count
  }

  func bytes(at offset: UInt64, count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    _ = bytes.withUnsafeMutableBytes { read($0, at: offset) }
    return bytes
  }

  private func isInside(_ offset: UInt64, _ count: Int) -> Bool {
    offset <= size && UInt64(count) <= size - offset
  }
}
