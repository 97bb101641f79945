import CFuse3
import Glibc
import SystemPackage

/// How much of a mount the kernel keeps in its page cache before it must be written, and how far it reads ahead.
///
/// For FUSE both are small, since any user may be the server: a hundredth of what may be dirty in all
/// (`fuse_bdi_init` in the kernel's fs/fuse/inode.c, which says that privileged servers may raise it), after which writers wait. Root
/// gets more; the files in /sys/class/bdi cannot be written by others.
enum CacheLimits {
  /// Per cent of what may be dirty in all. Several mounts together cannot exceed that.
  private static let dirtyShare = 12
  /// KiB.
  private static let readAhead = 4096

  /// For a mount whose FUSE_INIT has been answered, which sets the read-ahead. The calling thread, and those that it will start, are known to the
  /// kernel from here on as threads that dirty pages wait for.
  static func raise(_ entry: MountTable.Entry) {
    // What has the number of a block device alone for its name is that device's.
    let suffix = entry.type.hasPrefix("fuseblk") ? "-fuseblk" : ""
    let directory = FilePath("/sys/class/bdi/\(entry.device)\(suffix)")
    raise(directory.appending("read_ahead_kb"), to: readAhead)
    if raise(directory.appending("max_ratio"), to: dirtyShare) {
      // The daemon's own writes are not held back for the pages that are waiting for it.
      _ = cfuse_become_io_flusher()
    }
  }

  @discardableResult
  private static func raise(_ path: FilePath, to value: Int) -> Bool {
    guard let present = SystemFile.line(path.string).flatMap({ Int($0) }), present < value,
      let file = try? FileDescriptor.open(path, .writeOnly, options: .closeOnExec)
    else { return false }
    return (try? file.closeAfter { try file.writeAll("\(value)\n".utf8) }) != nil
  }
}
