import CLinux
import Glibc
import SystemPackage

/// Calls on open files.
extension Syscall {
  public static var directFlag: CInt { clinux_o_direct() }
  public static var noAccessTimeFlag: CInt { clinux_o_noatime() }

  public static func open(_ path: FilePath, _ flags: CInt, mode: mode_t = 0o666) throws(Errno)
    -> CInt
  {
    CInt(try onPath(path) { Raw(Glibc.open($0, flags | O_CLOEXEC, mode)) })
  }

  public static func close(_ descriptor: CInt) throws(Errno) {
    try check(Raw(Glibc.close(descriptor)))
  }

  /// Opens, runs the body, and closes whatever the body does.
  public static func withOpen<R>(
    _ path: FilePath, _ flags: CInt, mode: mode_t = 0o666, _ body: (CInt) throws(Errno) -> R
  ) throws(Errno) -> R {
    let descriptor = try open(path, flags, mode: mode)
    let result: Result<R, Errno>
    do throws(Errno) {
      result = .success(try body(descriptor))
    } catch {
      result = .failure(error)
    }
    try close(descriptor)
    return try result.get()
  }

  public static func read(
    _ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer, at offset: Int
  )
    throws(Errno) -> Int
  {
    try check(Raw(Glibc.pread(descriptor, buffer.baseAddress, buffer.count, offset)))
  }

  public static func read(_ descriptor: CInt, count: Int, at offset: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let read = try check(
      bytes.withUnsafeMutableBytes {
        Raw(Glibc.pread(descriptor, $0.baseAddress, count, offset))
      })
    bytes.removeSubrange(read...)
    return bytes
  }

  public static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int)
    throws(Errno) -> Int
  {
    try check(Raw(Glibc.pwrite(descriptor, bytes.baseAddress, bytes.count, offset)))
  }

  @discardableResult
  public static func write(_ descriptor: CInt, _ bytes: [UInt8], at offset: Int) throws(Errno)
    -> Int
  {
    try check(
      bytes.withUnsafeBytes { Raw(Glibc.pwrite(descriptor, $0.baseAddress, $0.count, offset)) })
  }

  public static func ftruncate(_ descriptor: CInt, size: Int) throws(Errno) {
    try check(Raw(Glibc.ftruncate(descriptor, size)))
  }

  /// `mode` is made of FALLOC_FL_*.
  public static func fallocate(_ descriptor: CInt, mode: CInt, offset: Int, length: Int)
    throws(Errno)
  {
    try check(Raw(clinux_fallocate(descriptor, mode, offset, length)))
  }

  public static func copyRange(
    from: CInt, at fromOffset: Int, to: CInt, at toOffset: Int, count: Int
  ) throws(Errno) -> Int {
    try check(Raw(clinux_copy_file_range(from, fromOffset, to, toOffset, count)))
  }

  public static func fsync(_ descriptor: CInt) throws(Errno) {
    try check(Raw(Glibc.fsync(descriptor)))
  }

  public static func fdatasync(_ descriptor: CInt) throws(Errno) {
    try check(Raw(Glibc.fdatasync(descriptor)))
  }

  public static func syncfs(_ descriptor: CInt) throws(Errno) {
    try check(Raw(clinux_syncfs(descriptor)))
  }

  /// The next byte that may hold data at or after `offset`; ENXIO when there is none.
  public static func seekData(_ descriptor: CInt, from offset: Int) throws(Errno) -> Int {
    try check(Raw(Glibc.lseek(descriptor, offset, CInt(SEEK_DATA))))
  }

  /// The next hole at or after `offset`, the end of the file being one; ENXIO beyond it.
  public static func seekHole(_ descriptor: CInt, from offset: Int) throws(Errno) -> Int {
    try check(Raw(Glibc.lseek(descriptor, offset, CInt(SEEK_HOLE))))
  }

  /// Runs the body on a shared mapping of `count` bytes from `offset` (of any alignment).
  public static func withMapping<R>(
    _ descriptor: CInt, offset: Int, count: Int, protection: CInt, flags: CInt = MAP_SHARED,
    synchronous: Bool = false, _ body: (UnsafeMutableRawBufferPointer) -> R
  ) throws(Errno) -> R {
    let skip = offset % sysconf(Int32(_SC_PAGESIZE))
    let address = mmap(nil, count + skip, protection, flags, descriptor, offset - skip)
    guard let address, address != MAP_FAILED else { throw Errno(rawValue: errno) }
    let result = body(UnsafeMutableRawBufferPointer(start: address + skip, count: count))
    let sync = synchronous ? Raw(msync(address, count + skip, MS_SYNC)) : Raw(0)
    try check(Raw(munmap(address, count + skip)))
    try check(sync)
    return result
  }
}
