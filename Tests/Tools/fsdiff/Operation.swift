import ArgumentParser
import Glibc
import SystemPackage

/// What is done alike in both trees. Paths are relative to their roots; a slot is a place in a small
/// table of open files.
enum Operation {
  case open(slot: Int, FilePath, flags: CInt, mode: mode_t)
  case close(slot: Int)
  case read(slot: Int, offset: Int, count: Int)
  case write(slot: Int, offset: Int, count: Int, seed: UInt64)
  case fileTruncate(slot: Int, size: Int)
  case fileStatus(slot: Int)
  case fileMode(slot: Int, mode_t)
  case sync(slot: Int, dataOnly: Bool)
  case allocate(slot: Int, mode: CInt, offset: Int, length: Int)
  case copy(from: Int, source: Int, to: Int, target: Int, count: Int)
  case mapRead(slot: Int, offset: Int, count: Int)
  case mapWrite(slot: Int, offset: Int, count: Int, seed: UInt64)
  case seek(slot: Int, offset: Int)
  case directRead(FilePath, offset: Int, count: Int)
  case directWrite(FilePath, offset: Int, count: Int, seed: UInt64)

  case truncate(FilePath, size: Int)
  case mkdir(FilePath, mode: mode_t)
  case rmdir(FilePath)
  case unlink(FilePath)
  case rename(FilePath, FilePath, flags: CUnsignedInt)
  case link(FilePath, FilePath)
  case symlink(target: FilePath, FilePath)
  case readlink(FilePath)
  case mknod(FilePath, mode: mode_t, device: dev_t)
  case status(FilePath)
  case access(FilePath, mode: CInt)
  case chmod(FilePath, mode: mode_t)
  case chown(FilePath, user: uid_t, group: gid_t)
  case times(FilePath, access: Time, modification: Time)
  case setXattr(FilePath, String, [UInt8], flags: CInt)
  case getXattr(FilePath, String)
  case listXattrs(FilePath)
  case removeXattr(FilePath, String)
  case setFlags(FilePath, set: UInt32, clear: UInt32)
  case syncDirectory(FilePath)
  /// Reads `position` entries, notes the place, reads the rest, makes `churn` files and removes one
  /// of every two, returns to the place and reads the rest again.
  case resume(FilePath, position: Int, churn: Int)
  /// Makes `count` empty files whose names begin with the prefix.
  case fill(FilePath, prefix: String, count: Int)
  /// Removes what a fill made.
  case drain(FilePath, prefix: String, count: Int)
  case umask(mode_t)

  /// Seconds and nanoseconds as utimensat(2) takes them.
  struct Time {
    var seconds: Int
    var nanoseconds: Int

    static let now = Time(seconds: 0, nanoseconds: 0x3fff_ffff)
    static let unchanged = Time(seconds: 0, nanoseconds: 0x3fff_fffe)

    var value: timespec { timespec(tv_sec: seconds, tv_nsec: nanoseconds) }
  }
}

/// An operation, and the user who does it.
struct Step: CustomStringConvertible {
  var operation: Operation
  var user: uid_t

  var description: String { user == 0 ? "\(operation)" : "\(operation) by \(user)" }
}

/// The classes of operations that `--exclude` knows.
enum OperationClass: String, CaseIterable, ExpressibleByArgument {
  case open, close, read, write, fileTruncate, fileStatus, fileMode, sync, allocate, zero, copy
  case mapRead, mapWrite, seek, directRead, directWrite, truncate, mkdir, rmdir, unlink, rename
  case exchange, whiteout, link, symlink, readlink, mknod, status, access, chmod, chown, times
  case setXattr, getXattr, listXattrs, removeXattr, acl, flags, immutable, syncDirectory, resume
  case fill, drain, umask
  /// Operations by users other than root; a quarter of all.
  case users
  /// Times that are set after 2038, which inodes of 128 bytes cannot hold.
  case futureTimes

  /// How often, relative to the others.
  var weight: Int {
    switch self {
    case .open, .write: 20
    case .read, .mkdir, .unlink, .rename: 12
    case .mapRead, .mapWrite, .truncate, .fileTruncate, .allocate, .setXattr, .mknod, .link,
      .symlink:
      6
    case .close, .zero, .copy, .directRead, .directWrite, .rmdir, .status, .chmod, .chown, .times: 5
    case .fileStatus, .seek, .exchange, .readlink, .access, .getXattr, .removeXattr, .acl, .flags: 4
    case .fileMode, .whiteout, .listXattrs, .resume, .immutable: 2
    case .sync, .syncDirectory, .fill, .drain, .umask: 1
    case .users, .futureTimes: 0
    }
  }
}
