import Glibc

/// The image or block device of a mount: open, locked, and with a place in it where the file system
/// is. It is locked and open for as long as this object lives.
final class ImageSource: Sendable {
  private let image: OpenImage

  /// As it was given, for messages.
  let displayName: String
  /// Without links and from the root, for the mount table; the path of a descriptor stays as it is.
  let path: String
  let isWritable: Bool
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
    displayName = options.device
    path = Self.absolute(options.device)
    isWritable = !options.readOnly
    image = try OpenImage(path: options.device, writable: isWritable)
    try ImageLock.take(on: image, path: displayName, writable: isWritable)
    try KernelUse.check(image, path: displayName, writable: isWritable)

    let disk = DiskReader(descriptor: image.descriptor, byteCount: image.byteCount)
    let window = try ImageWindow(of: disk, path: displayName, options: options)
    byteOffset = window.byteOffset
    byteCount = window.byteCount
  }

  /// A descriptor's path leads to the process that looks at it, and is no name for anybody else.
  private static func absolute(_ path: String) -> String {
    if path.hasPrefix("/proc/") || path.hasPrefix("/dev/fd/") { return path }
    return SystemFile.absolute(path) ?? path
  }
}
