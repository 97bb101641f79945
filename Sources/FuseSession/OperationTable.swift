import CFuse3
import Glibc
import SystemPackage

/// The table of functions that libfuse calls for the requests it has decoded: each turns C into the terms of
/// `FileSystemOperations`, and the result into the answer.
enum OperationTable {
  static func make() -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    addConnection(to: &table)
    addNames(to: &table)
    addAttributes(to: &table)
    addData(to: &table)
    addDirectories(to: &table)
    return table
  }

  static func addConnection(to table: inout fuse_lowlevel_ops) {
    table.`init` = { _, connection in
      if let connection { Worker.serving.session.negotiate(connection) }
    }
    table.destroy = { _ in Worker.current?.session.destroy() }
    table.statfs = { request, _ in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.statistics()
      } reply: { statistics in
        var result = statvfs()
        result.f_bsize = UInt(statistics.blockSize)
        result.f_frsize = UInt(statistics.blockSize)
        result.f_blocks = UInt(statistics.blocks)
        result.f_bfree = UInt(statistics.freeBlocks)
        result.f_bavail = UInt(statistics.availableBlocks)
        result.f_files = UInt(statistics.files)
        result.f_ffree = UInt(statistics.freeFiles)
        result.f_favail = UInt(statistics.freeFiles)
        result.f_namemax = UInt(statistics.maximumNameLength)
        fuse_reply_statfs(request, &result)
      }
    }
  }

  enum Openable { case file, directory }

  /// Whether the kernel takes ENOSYS for "never ask me again": what INIT agreed on.
  static func canDecline(_ what: Openable) -> Bool {
    let agreed = Worker.serving.session.agreedCapabilities
    return switch what {
    case .file: agreed & UInt32(truncatingIfNeeded: FUSE_CAP_NO_OPEN_SUPPORT) != 0
    case .directory: agreed & UInt32(truncatingIfNeeded: FUSE_CAP_NO_OPENDIR_SUPPORT) != 0
    }
  }
}
