import CExt2FS
import Glibc

extension Superblock {
  /// Notes an error as the kernel does (fs/ext4/super.c, save_error_info): the first, the last, and how many there were.
  func record(_ error: Ext4Error) {
    hasErrors = true
    fields.pointee.s_error_count &+= 1
    let now = UInt64(max(time(nil), 0))
    let isFirst =
      fields.pointee.s_first_error_time == 0 && fields.pointee.s_first_error_time_hi == 0
    fields.pointee.s_last_error_time = UInt32(truncatingIfNeeded: now)
    fields.pointee.s_last_error_time_hi = UInt8(truncatingIfNeeded: now >> 32)
    fields.pointee.s_last_error_ino = error.inode.rawValue
    fields.pointee.s_last_error_block = 0
    fields.pointee.s_last_error_line = 0
    fields.pointee.s_last_error_errcode = error.recordedCode
    Self.set(&fields.pointee.s_last_error_func)
    if isFirst { copyLastToFirst() }
  }

  private func copyLastToFirst() {
    fields.pointee.s_first_error_time = fields.pointee.s_last_error_time
    fields.pointee.s_first_error_time_hi = fields.pointee.s_last_error_time_hi
    fields.pointee.s_first_error_ino = fields.pointee.s_last_error_ino
    fields.pointee.s_first_error_block = 0
    fields.pointee.s_first_error_line = 0
    fields.pointee.s_first_error_errcode = fields.pointee.s_last_error_errcode
    Self.set(&fields.pointee.s_first_error_func)
  }

  /// The kernel writes the name of a function; this says whose error it was.
  private static func set<Name>(_ name: inout Name) {
    withUnsafeMutableBytes(of: &name) { bytes in
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      bytes.copyBytes(from: "fuse4fs".utf8)
    }
  }

  /// Has another copy of the superblock know what this one knows of errors.
  func copyErrors(to other: inout RawSuperblock) { other.copyErrors(from: fields) }

  /// Takes over what an older copy knows of errors: they are written without the journal, so that what the journal has is older.
  func takeOverErrors(from other: RawSuperblock) { other.copyErrors(to: fields) }
}

extension Ext4Error {
  /// The inode that it is about; 0 for none.
  fileprivate var inode: InodeNumber {
    switch self {
    case .errno: InodeNumber(0)
    case .corrupted(let inode, _): inode
    case .library(_, _, let inode): inode
    }
  }

  /// As in fs/ext4/ext4.h, EXT4_ERR_*.
  fileprivate var recordedCode: UInt8 {
    switch errno {
    case .ioError: 2
    case .noMemory: 3
    case .corrupted: 5
    default: 1
    }
  }
}
