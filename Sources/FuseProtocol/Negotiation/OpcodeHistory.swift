extension Opcode {
  /// The minor that brought the operation; 0 for those that were there before minors were counted up. Information: Linux asks for what it
  /// knows whatever minor was agreed on, and takes ENOSYS for an answer.
  public var since: UInt32 {
    switch self {
    case .lookup, .forget, .getattr, .readlink, .statfs, .initialize: 0
    case .setattr, .symlink, .mknod, .mkdir, .unlink, .rmdir, .rename, .link, .open, .read, .write,
      .release, .fsync, .setxattr, .getxattr, .listxattr, .removexattr, .flush, .opendir, .readdir,
      .releasedir:
      1
    case .fsyncDirectory: 2
    case .access, .create: 3
    case .getlk, .setlk, .setlkw, .interrupt: 7
    case .bmap, .destroy: 8
    case .ioctl, .poll: 11
    case .notifyReply: 15
    case .batchForget: 16
    case .fallocate: 19
    case .readdirplus: 21
    case .rename2: 23
    case .lseek: 24
    case .copyFileRange: 28
    case .setupmapping, .removemapping: 31
    case .syncFileSystem: 34
    case .tmpfile: 37
    case .statx: 39
    case .copyFileRange64: 45
    case .freeze, .unfreeze, .shutdown, .iomapConfig, .iomapIOEnd, .iomapBegin, .iomapEnd:
      InitFlags.iomapMinor
    }
  }
}
