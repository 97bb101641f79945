import Glibc
import SystemPackage

/// An open file description of an image or block device, closed when it goes out of use.
struct OpenImage: ~Copyable, Sendable {
  let descriptor: Int32
  let isBlockDevice: Bool
  /// Of the whole file or device, in bytes.
  let byteCount: Int64
  /// What `stat` says of the device the file is on, and of its inode.
  let identity: FileIdentity
  /// `major:minor` of a block device, as sysfs writes it.
  let deviceNumber: String

  deinit { close(descriptor) }

  /// Opens a file or block device; the latter for our use alone, if it is to be written.
  ///
  /// - Parameters:
  ///   - isPassedOn: the path is that of a descriptor, whose lock is to be kept. Others are opened anew if they can be.
  ///   - adviceIfReadOnly: what can be done when it cannot be written.
  /// - Throws: a mount failure that says what to do about it.
  init(
    path: String, writable: Bool, isPassedOn: Bool = false,
    adviceIfReadOnly advice: String = "mount it read-only with -o ro"
  ) throws(StartupFailure) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw .mount("cannot find '\(path)': \(Errno.last)") }
    let type = status.st_mode & S_IFMT
    guard type == S_IFREG || type == S_IFBLK else {
      throw .mount("'\(path)' is neither a file nor a block device")
    }
    let exclusive = type == S_IFBLK && writable ? O_EXCL : 0
    var descriptor =
      isPassedOn
      ? Self.duplicate(ofDescriptorIn: path, writable: writable) ?? -1
      : open(path, (writable ? O_RDWR : O_RDONLY) | exclusive | O_CLOEXEC)
    if descriptor < 0 {
      let error = Errno.last
      descriptor = Self.duplicate(ofDescriptorIn: path, writable: writable) ?? -1
      guard descriptor >= 0 else {
        throw Self.failure(
          path: path, writable: writable, advice: advice, status: status, error: error)
      }
    }
    // The file that was opened, in case the path led to another one meanwhile.
    guard fstat(descriptor, &status) == 0 else {
      let error = Errno.last
      close(descriptor)
      throw .mount("cannot examine '\(path)': \(error)")
    }
    let number = FileIdentity.sysfsNumber(of: status.st_rdev)
    // Opening a read-only device for writing succeeds; it is the writes that fail.
    if writable && SystemFile.line("/sys/dev/block/\(number)/ro") == "1" {
      close(descriptor)
      throw Self.notWritable(path, "the device is read-only", advice)
    }
    self.descriptor = descriptor
    isBlockDevice = status.st_mode & S_IFMT == S_IFBLK
    // The end of a block device is its size, as BLKGETSIZE64 gives it.
    byteCount = isBlockDevice ? Int64(lseek(descriptor, 0, SEEK_END)) : Int64(status.st_size)
    identity = FileIdentity(status)
    deviceNumber = number
  }

  /// Gives up the exclusive use of a block device, so that another program may open it exclusively. The descriptor keeps its number; a
  /// lock on it is gone.
  func endExclusiveUse() throws(Errno) {
    let shared = open("/proc/self/fd/\(descriptor)", O_RDWR | O_CLOEXEC)
    guard shared >= 0 else { throw Errno.last }
    defer { close(shared) }
    guard dup2(shared, descriptor) >= 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) >= 0 else {
      throw Errno.last
    }
  }

  /// A descriptor that was passed to us stays usable when its file cannot be opened by us, as long
  /// as it was opened for what we need. The copy shares its file description, and so the lock.
  private static func duplicate(ofDescriptorIn path: String, writable: Bool) -> Int32? {
    guard let number = DescriptorPath.number(in: path) else { return nil }
    let flags = fcntl(number, F_GETFL)
    var byte: UInt8 = 0
    guard flags >= 0, pread(number, &byte, 1, 0) >= 0, !writable || flags & O_ACCMODE == O_RDWR
    else { return nil }
    let copy = fcntl(number, F_DUPFD_CLOEXEC, 3)
    return copy >= 0 ? copy : nil
  }

  private static func isReadable(_ path: String) -> Bool {
    if access(path, R_OK) == 0 { return true }
    guard let copy = duplicate(ofDescriptorIn: path, writable: false) else { return false }
    close(copy)
    return true
  }

  private static func notWritable(
    _ path: String, _ reason: String, _ advice: String
  ) -> StartupFailure {
    .mount("cannot open '\(path)' for writing: \(reason); \(advice)")
  }

  private static func failure(
    path: String, writable: Bool, advice: String, status: stat, error: Errno
  ) -> StartupFailure {
    switch error {
    case .resourceBusy:
      return ImageLock.conflict(path: path, status: status)
        ?? KernelUse.conflict(blockDevice: path, number: status.st_rdev)
    case .permissionDenied, .notPermitted, .readOnlyFileSystem:
      if writable && isReadable(path) { return notWritable(path, "\(error)", advice) }
      return .mount("cannot open '\(path)': \(error); you need the permission to read it")
    default:
      return .mount("cannot open '\(path)': \(error)")
    }
  }
}

/// What makes two paths the same file.
struct FileIdentity: Equatable, Sendable {
  let device: String
  let inode: UInt64

  init(_ status: stat) {
    device = Self.sysfsNumber(of: status.st_dev)
    inode = UInt64(status.st_ino)
  }

  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// `major:minor` in decimal. The bits are those of the macros of makedev(3).
  static func sysfsNumber(of device: dev_t) -> String {
    let major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    let minor = device & 0xFF | device >> 12 & 0xFFFF_FF00
    return "\(major):\(minor)"
  }
}
