import Ext4

// Flags of system calls that Swift does not import, or that the file system has its own terms for.

/// Both this module's `Ext4` and swift-system have an `Inode`.
typealias Inode = Ext4.Inode

/// What lseek(2) can look for.
enum SeekTarget: CInt {
  case data = 3
  case hole = 4
}

extension Inode.AttributeMode {
  /// XATTR_CREATE and XATTR_REPLACE of setxattr(2); nil for anything else.
  init?(flags: CInt) {
    switch flags {
    case 0: self = .createOrReplace
    case 1: self = .create
    case 2: self = .replace
    default: return nil
    }
  }
}

extension Inode.RangeOperation {
  /// Nil for modes that are not supported (fallocate(2), FALLOC_FL_*).
  init?(fallocateMode mode: CInt) {
    let keepSize = mode & 1 != 0
    switch mode {
    case 0, 1: self = .allocate(keepSize: keepSize)
    case 3: self = .punchHole
    case 0x10, 0x11: self = .zeroRange(keepSize: keepSize)
    case 0x08: self = .collapse
    case 0x20: self = .insert
    default: return nil
    }
  }
}
