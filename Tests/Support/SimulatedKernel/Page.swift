import Glibc

/// A page of a file in the page cache. Its fields are under the inode's monitor. The thread that has set `isLocked` may change the
/// bytes without the monitor.
final class Page {
  let index: UInt64
  let bytes: UnsafeMutableRawPointer
  private let size: Int
  /// A bit for each file system block in it.
  var upToDate: UInt8 = 0
  var dirty: UInt8 = 0
  var isLocked = false
  /// Parts of it that are on their way to the device.
  var writesInFlight = 0
  /// Stores need no fault.
  var isWritable = false

  init(index: UInt64, size: Int) {
    self.index = index
    self.size = size
    bytes = .allocate(byteCount: size, alignment: 4096)
    memset(bytes, 0, size)
  }

  deinit { bytes.deallocate() }
}
