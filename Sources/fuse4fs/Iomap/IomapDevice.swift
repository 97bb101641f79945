import CFuse3
import FuseServer
import Glibc
import IomapCache
import SystemPackage

/// The block device through which the kernel moves data, and the daemon reads and writes metadata.
protocol IomapDevice: AnyObject, Sendable {
  /// For the daemon's own I/O.
  var descriptor: CInt { get }
  /// What the kernel gets to hold on to. Another open file of the same device: the kernel lets go of it later than the daemon of
  /// its own, and it must not keep others from the device (fuse-iomap ABI 4.7).
  var registeredDescriptor: CInt { get }
  /// Bytes; the file system begins at the first.
  var byteCount: Int64 { get }
  /// Whether writes of one file system block reach the disk whole or not at all: known after `prepare`.
  var hasAtomicWrites: Bool { get }
  /// The unit of the device's page cache is not to be larger than `blockSize` bytes, or it would hold data of files beside
  /// metadata (fuse-iomap ABI 6.4); and what it holds now is dropped.
  func prepare(blockSize: Int) throws(Errno)
  func close()
}

/// A real one: the block device of the mount, or a loop device on the image.
final class BlockSpecialFile: IomapDevice, @unchecked Sendable {
  let descriptor: CInt
  let registeredDescriptor: CInt
  let byteCount: Int64
  /// Set by `prepare`, before there is a second thread.
  private(set) var hasAtomicWrites = false
  /// Whether `descriptor` is ours to close; it is the image's where that is the device.
  private let ownsDescriptor: Bool
  private var isClosed = false

  private init(descriptor: CInt, ownsDescriptor: Bool, byteCount: Int64) throws(IomapRefusal) {
    // The path leads to the device itself, for which this is another open file.
    let another = open("/proc/self/fd/\(descriptor)", O_RDWR | O_CLOEXEC)
    let shared = another >= 0 ? another : open("/proc/self/fd/\(descriptor)", O_RDONLY | O_CLOEXEC)
    guard shared >= 0 else {
      let error = Errno.last
      if ownsDescriptor { Glibc.close(descriptor) }
      throw IomapRefusal("the device cannot be opened once more: \(error)")
    }
    self.descriptor = descriptor
    self.ownsDescriptor = ownsDescriptor
    self.byteCount = byteCount
    registeredDescriptor = shared
  }

  /// The device of `image`: its own where the file system has all of it, and a loop device elsewhere.
  static func of(_ image: ImageSource) throws(IomapRefusal) -> BlockSpecialFile {
    if image.isBlockDevice, image.byteOffset == 0 {
      return try BlockSpecialFile(
        descriptor: image.fileDescriptor, ownsDescriptor: false, byteCount: image.byteCount)
    }
    return try BlockSpecialFile(
      descriptor: try LoopDevice.attach(
        image.fileDescriptor, offset: image.byteOffset, size: image.byteCount,
        writable: image.isWritable),
      ownsDescriptor: true, byteCount: image.byteCount)
  }

  func prepare(blockSize: Int) throws(Errno) {
    var wanted = CInt(blockSize)
    if ioctl(descriptor, Self.setBlockSizeCommand, &wanted) != 0 {
      let error = Errno.last
      // Without the privilege to change it, a smaller one will do.
      var current: CInt = 0
      guard ioctl(descriptor, Self.getBlockSizeCommand, &current) == 0, current <= blockSize else {
        throw error
      }
    }
    guard ioctl(descriptor, Self.flushBuffersCommand, 0) == 0 else { throw Errno.last }
    var (smallest, largest): (UInt32, UInt32) = (0, 0)
    cfuse_atomic_write_limits(descriptor, &smallest, &largest)
    hasAtomicWrites = smallest > 0 && smallest <= blockSize && blockSize <= largest
  }

  /// BLKFLSBUF (include/uapi/linux/fs.h).
  private static let flushBuffersCommand: UInt = 0x1261
  /// BLKBSZGET, BLKBSZSET (include/uapi/linux/fs.h).
  private static let getBlockSizeCommand: UInt = 0x8008_1270
  private static let setBlockSizeCommand: UInt = 0x4008_1271

  func close() {
    guard !isClosed else { return }
    isClosed = true
    Glibc.close(registeredDescriptor)
    if ownsDescriptor { Glibc.close(descriptor) }
  }

  deinit { close() }
}
