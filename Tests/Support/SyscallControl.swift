import CLinux
import Glibc
import SystemPackage

/// Calls of administrators and of programs for one file system.
extension Syscall {
  /// An ioctl with these bytes; returns what they are afterwards.
  @discardableResult
  public static func control(_ descriptor: CInt, _ command: UInt32, _ bytes: [UInt8] = [])
    throws(Errno) -> [UInt8]
  {
    var bytes = bytes
    try check(
      bytes.withUnsafeMutableBytes { Raw(clinux_ioctl(descriptor, command, $0.baseAddress)) })
    return bytes
  }

  /// The same with a value.
  @discardableResult
  public static func control<T: BitwiseCopyable>(_ descriptor: CInt, _ command: UInt32, _ value: T)
    throws(Errno) -> T
  {
    var value = value
    try check(
      withUnsafeMutableBytes(of: &value) {
        Raw(clinux_ioctl(descriptor, command, $0.baseAddress))
      })
    return value
  }

  /// Where a block of an open file is on the device; 0 for nowhere (FIBMAP).
  public static func deviceBlock(_ descriptor: CInt, at index: Int) throws(Errno) -> Int {
    Int(try control(descriptor, 1, Int32(index)))
  }

  public static var temporaryFileFlag: CInt { clinux_o_tmpfile() }

  /// Gives an open file that was made without a name one.
  public static func link(_ descriptor: CInt, as path: FilePath) throws(Errno) {
    try onPath(path) { Raw(clinux_link_open(descriptor, $0)) }
  }

  /// A `struct file_handle`.
  public static func handle(of path: FilePath) throws(Errno) -> [UInt8] {
    var handle = [UInt8](repeating: 0, count: 136)
    handle[0] = 128
    try check(
      path.withPlatformString { path in
        handle.withUnsafeMutableBytes { Raw(clinux_name_to_handle(path, $0.baseAddress)) }
      })
    return handle
  }

  /// Opens what a handle leads to, in the file system that `mount` is open in.
  public static func open(_ handle: [UInt8], in mount: CInt, _ flags: CInt) throws(Errno) -> CInt {
    var handle = handle
    return CInt(
      try check(
        handle.withUnsafeMutableBytes {
          Raw(clinux_open_by_handle(mount, $0.baseAddress, flags | O_CLOEXEC))
        }))
  }

  /// Runs the body with another user's rights, of this thread alone.
  public static func asUser<R>(_ user: uid_t, _ body: () throws -> R) throws -> R {
    try check(Raw(clinux_become(user)))
    defer { _ = clinux_become(0) }
    return try body()
  }

  /// Shows the mount at `path` at `target` as well, with other ids.
  public static func mountMapped(_ path: FilePath, namespace: CInt, at target: FilePath)
    throws(Errno)
  {
    try onPaths(path, target) { Raw(clinux_mount_mapped($0, namespace, $1)) }
  }
}
