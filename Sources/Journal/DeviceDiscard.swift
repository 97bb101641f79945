import CExt2FS
import Glibc
import SystemPackage

/// Tells the device that what it holds is no longer needed (TRIM).
extension BlockDevice {
  /// BLKDISCARD (include/uapi/linux/fs.h).
  private static let blockDiscard: UInt = 0x1277

  /// What the device discards at a time, in bytes; nil if it cannot. A file's is found out by trying.
  public var discardGranularity: UInt64? {
    guard let queue = queueDirectory else { return 1 }
    guard Self.number(in: queue + "/discard_max_bytes") ?? 0 > 0 else { return nil }
    return Self.number(in: queue + "/discard_granularity") ?? 1
  }

  /// Makes the device forget `count` bytes from `offset` on; what is read from there is undefined. EOPNOTSUPP if it cannot.
  public func discard(_ count: UInt64, at offset: UInt64) throws(Errno) {
    try check(count, at: offset)
    guard isWritable else { throw .readOnlyFileSystem }
    guard !isStopped.load(ordering: .acquiring) else { throw .ioError }
    while true {
      if try discardOnce(count, at: UInt64(byteOffset) + offset) { return }
    }
  }

  /// False when a signal came between.
  private func discardOnce(_ count: UInt64, at start: UInt64) throws(Errno) -> Bool {
    let code: CInt
    if isBlockSpecial {
      var range = (start, count)
      code = ioctl(fileDescriptor, Self.blockDiscard, &range)
    } else {
      code = cext2fs_punch_hole(fileDescriptor, Int64(start), Int64(count))
    }
    guard code != 0 else { return true }
    guard errno == EINTR else { throw Errno(rawValue: errno) }
    return false
  }

  var isBlockSpecial: Bool { status.st_mode & S_IFMT == S_IFBLK }

  private var status: stat {
    var status = stat()
    fstat(fileDescriptor, &status)
    return status
  }

  /// Where sysfs describes the device's requests; nil for a file. Partitions share that of their disk.
  private var queueDirectory: String? {
    let status = status
    guard status.st_mode & S_IFMT == S_IFBLK else { return nil }
    let device = status.st_rdev
    // The bits are those of the macros of makedev(3).
    let major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    let minor = device & 0xFF | device >> 12 & 0xFFFF_FF00
    let directory = "/sys/dev/block/\(major):\(minor)"
    return access(directory + "/partition", F_OK) == 0
      ? directory + "/../queue" : directory + "/queue"
  }

  private static func number(in path: String) -> UInt64? {
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else {
      return nil
    }
    return try? file.closeAfter {
      let text = try withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { bytes in
        let count = try file.read(into: bytes)
        return String(decoding: bytes[..<count], as: UTF8.self)
      }
      return UInt64(text.prefix { $0.isNumber })
    }
  }
}
