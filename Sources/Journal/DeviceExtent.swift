import Glibc
import Synchronization
import SystemPackage

/// How far the file or device reaches, and what happens when it becomes shorter while it is in use.
///
/// A file may have been shorter than its file system from the beginning: what is missing then is zeros that were never written. It
/// grows by our writes. That it shrinks means that another program has cut it off: what was there is lost, what is written behind the
/// new end would stand there alone, and nothing is written any more.
extension BlockDevice {
  /// Where the file or device was found to end too early, and where it had ended before, in bytes from its start.
  public var cutOff: (found: Int64, known: Int64)? {
    let found = foundEnd.load(ordering: .acquiring)
    return found == .max ? nil : (found, knownEnd.load(ordering: .relaxed))
  }

  /// EIO if the file or device has become shorter. A commit asks before it writes, and a flush before it says that all is there.
  public func checkExtent() throws(Errno) {
    guard foundEnd.load(ordering: .relaxed) == .max else { throw .ioError }
    let known = knownEnd.load(ordering: .acquiring)
    guard let end = Self.end(of: fileDescriptor), end < known else { return }
    foundEnd.store(end, ordering: .releasing)
    stopWriting()
    throw .ioError
  }

  /// EIO unless the file never reached to `position`, where a read has found its end.
  func requireUnwritten(at position: Int64) throws(Errno) {
    guard position < knownEnd.load(ordering: .acquiring) else { return }
    try checkExtent()
  }

  /// Whether a limit on the size of files, in bytes, keeps a part of it from being written. Devices have no such limit.
  public func isLimited(to limit: UInt64) -> Bool {
    !isBlockSpecial && UInt64(byteOffset) + UInt64(byteCount) > limit
  }

  func noteWritten(upTo end: Int64) {
    var known = knownEnd.load(ordering: .relaxed)
    while known < end {
      let (exchanged, original) = knownEnd.compareExchange(
        expected: known, desired: end, ordering: .acquiringAndReleasing)
      if exchanged { return }
      known = original
    }
  }

  /// BLKGETSIZE64 (include/uapi/linux/fs.h).
  private static let blockDeviceSize: UInt = 0x8008_1272

  /// Nil for what has no end of its own.
  static func end(of fileDescriptor: CInt) -> Int64? {
    var status = stat()
    guard fstat(fileDescriptor, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return Int64(status.st_size)
    case S_IFBLK:
      var size: UInt64 = 0
      return ioctl(fileDescriptor, blockDeviceSize, &size) == 0
        ? Int64(clamping: size) : nil
    default: return nil
    }
  }
}
