/// The operations of the protocol: `enum fuse_opcode`, and those of the iomap extension (fuse-iomap ABI 3.1).
public enum Opcode: UInt32, Hashable, Sendable, CaseIterable {
  case lookup = 1
  /// Has no reply.
  case forget = 2
  case getattr = 3
  case setattr = 4
  case readlink = 5
  case symlink = 6
  case mknod = 8
  case mkdir = 9
  case unlink = 10
  case rmdir = 11
  case rename = 12
  case link = 13
  case open = 14
  case read = 15
  case write = 16
  case statfs = 17
  case release = 18
  case fsync = 20
  case setxattr = 21
  case getxattr = 22
  case listxattr = 23
  case removexattr = 24
  case flush = 25
  case initialize = 26
  case opendir = 27
  case readdir = 28
  case releasedir = 29
  case fsyncDirectory = 30
  case getlk = 31
  case setlk = 32
  case setlkw = 33
  case access = 34
  case create = 35
  /// Has no reply, unless that is EAGAIN.
  case interrupt = 36
  case bmap = 37
  case destroy = 38
  case ioctl = 39
  case poll = 40
  /// Has no reply: it is the answer to a RETRIEVE notification.
  case notifyReply = 41
  /// Has no reply.
  case batchForget = 42
  case fallocate = 43
  case readdirplus = 44
  case rename2 = 45
  case lseek = 46
  case copyFileRange = 47
  case setupmapping = 48
  case removemapping = 49
  case syncFileSystem = 50
  case tmpfile = 51
  case statx = 52
  case copyFileRange64 = 53
  case freeze = 4089
  case unfreeze = 4090
  case shutdown = 4091
  case iomapConfig = 4092
  case iomapIOEnd = 4093
  case iomapBegin = 4094
  case iomapEnd = 4095

  /// Whether the kernel waits for a reply.
  public var hasReply: Bool {
    switch self {
    case .forget, .batchForget, .interrupt, .notifyReply: false
    default: true
    }
  }

  /// FUSE_INIT_BSWAP_RESERVED: what INIT looks like in the other byte order.
  static var foreignInitialize: UInt32 { Opcode.initialize.rawValue.byteSwapped }
}
