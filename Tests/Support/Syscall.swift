import CLinux
import Glibc
import SystemPackage

/// System calls as a program makes them: nothing retried, nothing rounded, errors as `Errno`.
///
/// Relative paths are the working directory's. Descriptors are closed on exec, so that no server
/// that a test starts keeps a test's files open.
public enum Syscall {
  /// What a call returned, with errno read before anything else could change it.
  struct Raw {
    let value: Int
    let code: CInt

    init(_ value: some BinaryInteger) {
      code = value < 0 ? errno : 0
      self.value = Int(value)
    }
  }

  @discardableResult
  static func check(_ raw: Raw) throws(Errno) -> Int {
    guard raw.value >= 0 else { throw Errno(rawValue: raw.code) }
    return raw.value
  }

  @discardableResult
  static func onPath(
    _ path: FilePath, _ call: (UnsafePointer<CChar>) -> Raw
  ) throws(Errno) -> Int {
    try check(path.withPlatformString(call))
  }

  @discardableResult
  static func onPaths(
    _ first: FilePath, _ second: FilePath,
    _ call: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Raw
  ) throws(Errno) -> Int {
    try check(
      first.withPlatformString { first in second.withPlatformString { call(first, $0) } })
  }

  // MARK: Names

  public static func mkdir(_ path: FilePath, mode: mode_t = 0o777) throws(Errno) {
    try onPath(path) { Raw(Glibc.mkdir($0, mode)) }
  }

  public static func rmdir(_ path: FilePath) throws(Errno) {
    try onPath(path) { Raw(Glibc.rmdir($0)) }
  }

  public static func unlink(_ path: FilePath) throws(Errno) {
    try onPath(path) { Raw(Glibc.unlink($0)) }
  }

  /// `flags` are RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT.
  public static func rename(_ from: FilePath, _ to: FilePath, flags: CUnsignedInt = 0)
    throws(Errno)
  {
    try onPaths(from, to) { Raw(clinux_renameat2($0, $1, flags)) }
  }

  public static func link(_ from: FilePath, _ to: FilePath) throws(Errno) {
    try onPaths(from, to) { Raw(Glibc.link($0, $1)) }
  }

  public static func symlink(_ target: FilePath, _ path: FilePath) throws(Errno) {
    try onPaths(target, path) { Raw(Glibc.symlink($0, $1)) }
  }

  /// A symbolic link's target, byte for byte.
  public static func readlink(_ path: FilePath) throws(Errno) -> [UInt8] {
    var target = [CChar](repeating: 0, count: 8192)
    let count = try onPath(path) { Raw(Glibc.readlink($0, &target, 8192)) }
    return target[..<count].map { UInt8(bitPattern: $0) }
  }

  /// `mode` holds the type (S_IFIFO, S_IFCHR, ...) and the permissions.
  public static func mknod(_ path: FilePath, mode: mode_t, device: dev_t = 0) throws(Errno) {
    try onPath(path) { Raw(Glibc.mknod($0, mode, device)) }
  }

  public static func device(major: UInt32, minor: UInt32) -> dev_t {
    clinux_makedev(major, minor)
  }

  // MARK: Attributes

  /// Symbolic links are not followed.
  public static func lstat(_ path: FilePath) throws(Errno) -> Glibc.stat {
    var status = Glibc.stat()
    try onPath(path) { Raw(Glibc.lstat($0, &status)) }
    return status
  }

  public static func stat(_ path: FilePath) throws(Errno) -> Glibc.stat {
    var status = Glibc.stat()
    try onPath(path) { Raw(Glibc.fstatat(AT_FDCWD, $0, &status, 0)) }
    return status
  }

  public static func fstat(_ descriptor: CInt) throws(Errno) -> Glibc.stat {
    var status = Glibc.stat()
    try check(Raw(Glibc.fstat(descriptor, &status)))
    return status
  }

  /// Of the file system that an open file is on.
  public static func fstatvfs(_ descriptor: CInt) throws(Errno) -> Glibc.statvfs {
    var status = Glibc.statvfs()
    try check(Raw(Glibc.fstatvfs(descriptor, &status)))
    return status
  }

  /// ENODATA when the file system keeps no birth time.
  public static func birthTime(_ path: FilePath) throws(Errno) -> timespec {
    var time = timespec()
    try onPath(path) { Raw(clinux_birth_time($0, &time)) }
    return time
  }

  public static func chmod(_ path: FilePath, mode: mode_t) throws(Errno) {
    try onPath(path) { Raw(Glibc.chmod($0, mode)) }
  }

  public static func fchmod(_ descriptor: CInt, mode: mode_t) throws(Errno) {
    try check(Raw(Glibc.fchmod(descriptor, mode)))
  }

  /// Symbolic links are not followed. UInt32.max leaves an id as it is.
  public static func lchown(_ path: FilePath, user: uid_t, group: gid_t) throws(Errno) {
    try onPath(path) { Raw(Glibc.lchown($0, user, group)) }
  }

  /// `AT_SYMLINK_NOFOLLOW` is always set. Nanoseconds may be UTIME_NOW (2^30 - 1) and UTIME_OMIT
  /// (2^30 - 2).
  public static func setTimes(_ path: FilePath, access: timespec, modification: timespec)
    throws(Errno)
  {
    let times = [access, modification]
    try onPath(path) { Raw(Glibc.utimensat(AT_FDCWD, $0, times, AT_SYMLINK_NOFOLLOW)) }
  }

  public static func access(_ path: FilePath, mode: CInt) throws(Errno) {
    try onPath(path) { Raw(Glibc.faccessat(AT_FDCWD, $0, mode, AT_EACCESS)) }
  }

  public static func truncate(_ path: FilePath, size: Int) throws(Errno) {
    try onPath(path) { Raw(Glibc.truncate($0, size)) }
  }

  /// The FS_*_FL flags of an open regular file or directory.
  public static func flags(_ descriptor: CInt) throws(Errno) -> UInt32 {
    var flags: CInt = 0
    try check(Raw(clinux_get_flags(descriptor, &flags)))
    return UInt32(bitPattern: flags)
  }

  public static func setFlags(_ descriptor: CInt, _ flags: UInt32) throws(Errno) {
    try check(Raw(clinux_set_flags(descriptor, CInt(bitPattern: flags))))
  }

  // MARK: Working directory and identity

  public static func fchdir(_ descriptor: CInt) throws(Errno) {
    try check(Raw(Glibc.fchdir(descriptor)))
  }
}
