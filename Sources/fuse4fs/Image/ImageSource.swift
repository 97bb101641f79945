import Glibc
import PartitionTables
import SystemPackage

/// The image or block device of a mount: open, locked, and with a place in it where the file system
/// is. It is locked and open for as long as this object lives.
final class ImageSource: Sendable {
  private let image: OpenImage

  /// As it was given, for messages.
  let displayName: String
  /// Without links and from the root, for the mount table; the path of a descriptor stays as it is.
  let path: String
  /// Whether the mount may write.
  let isWritable: Bool
  /// The mount may not, but the journal must be replayed before: it is open, and locked, as for writing.
  let isOpenForReplay: Bool
  /// Where the file system begins in the file or device.
  let byteOffset: Int64
  /// The bytes from there that the file system may use: to the end of the partition or of the device.
  let byteCount: Int64

  /// To be used with `pread` and `pwrite`; its own position means nothing.
  var fileDescriptor: Int32 { image.descriptor }
  var isBlockDevice: Bool { image.isBlockDevice }

  /// Opens and locks what `options` names.
  ///
  /// - Throws: a mount failure that says what is in the way and what can be done.
  init(options: MountOptions) throws(StartupFailure) {
    displayName = options.deviceName ?? options.device
    path = Self.absolute(options.device)
    isWritable = !options.readOnly
    isOpenForReplay =
      if options.readOnly, !options.noRecovery { try Self.needsRecovery(options) } else { false }
    let writable = isWritable || isOpenForReplay
    image = try OpenImage(
      path: options.device, writable: writable, isPassedOn: options.deviceName != nil,
      adviceIfReadOnly: isOpenForReplay
        ? "its journal holds changes that were not yet replayed; to see the file system without them, add "
          + "-o norecovery"
        : "mount it read-only with -o ro")
    try ImageLock.take(on: image, path: displayName, writable: writable)
    try KernelUse.check(image, path: displayName, writable: writable)

    let disk = DiskReader(descriptor: image.descriptor, byteCount: image.byteCount)
    let window = try ImageWindow(of: disk, path: displayName, options: options)
    byteOffset = window.byteOffset
    byteCount = window.byteCount
  }

  /// The kernel is about to claim the block device.
  func yieldToKernel() throws(StartupFailure) {
    do throws(Errno) {
      try image.endExclusiveUse()
    } catch {
      throw .mount("cannot open '\(displayName)' once more: \(error)")
    }
    try ImageLock.take(on: image, path: displayName, writable: true)
  }

  /// From here on others may read the image as well.
  func endReplay() throws(StartupFailure) {
    try ImageLock.take(on: image, path: displayName, writable: false)
  }

  /// The file system's block size, up to the size of a page, which is all that the kernel knows; nil where the superblock has no such size.
  var blockMountSize: Int? {
    let disk = DiskReader(descriptor: image.descriptor, byteCount: image.byteCount)
    // s_log_block_size: 0 to 6, for 1 to 64 KiB.
    guard let field = disk.bytes(at: byteOffset + 1024 + 0x18, count: 4), field[0] <= 6,
      field[1...].allSatisfy({ $0 == 0 })
    else { return nil }
    return min(1024 << Int(field[0]), sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Whether the file system says that its journal must be replayed (its flag needs_recovery).
  private static func needsRecovery(_ options: MountOptions) throws(StartupFailure) -> Bool {
    let image = try OpenImage(path: options.device, writable: false)
    let disk = DiskReader(descriptor: image.descriptor, byteCount: image.byteCount)
    let window = try ImageWindow(of: disk, path: options.device, options: options)
    let flags = disk.bytes(at: window.byteOffset + 1024 + 0x60, count: 1)
    return flags.map { $0[0] & 0x04 != 0 } ?? false
  }

  /// Such a path means another file in each process: it is left as it is, and is no name for other processes.
  private static func absolute(_ path: String) -> String {
    if path.hasPrefix("/proc/") || path.hasPrefix("/dev/fd/") { return path }
    return SystemFile.absolute(path) ?? path
  }
}
