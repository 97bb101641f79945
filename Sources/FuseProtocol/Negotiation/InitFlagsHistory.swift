extension InitFlags {
  /// A flag, its word in the protocol without the prefix, and the minor that brought it.
  public struct Entry: Sendable {
    public let flag: InitFlags
    public let name: String
    public let since: UInt32
  }

  /// All flags with one meaning, by their bits.
  public static let history: [Entry] = [
    Entry(flag: .asyncRead, name: "ASYNC_READ", since: 6),
    Entry(flag: .posixLocks, name: "POSIX_LOCKS", since: 7),
    Entry(flag: .fileOps, name: "FILE_OPS", since: 9),
    Entry(flag: .atomicTruncate, name: "ATOMIC_O_TRUNC", since: 9),
    Entry(flag: .exportSupport, name: "EXPORT_SUPPORT", since: 9),
    Entry(flag: .bigWrites, name: "BIG_WRITES", since: 9),
    Entry(flag: .dontMask, name: "DONT_MASK", since: 12),
    Entry(flag: .spliceWrite, name: "SPLICE_WRITE", since: 14),
    Entry(flag: .spliceMove, name: "SPLICE_MOVE", since: 14),
    Entry(flag: .spliceRead, name: "SPLICE_READ", since: 14),
    Entry(flag: .flockLocks, name: "FLOCK_LOCKS", since: 17),
    Entry(flag: .ioctlDirectory, name: "HAS_IOCTL_DIR", since: 18),
    Entry(flag: .autoInvalidateData, name: "AUTO_INVAL_DATA", since: 20),
    Entry(flag: .readdirplus, name: "DO_READDIRPLUS", since: 21),
    Entry(flag: .readdirplusAuto, name: "READDIRPLUS_AUTO", since: 21),
    Entry(flag: .asyncDirectIO, name: "ASYNC_DIO", since: 22),
    Entry(flag: .writebackCache, name: "WRITEBACK_CACHE", since: 23),
    Entry(flag: .noOpenSupport, name: "NO_OPEN_SUPPORT", since: 23),
    Entry(flag: .parallelDirectoryOperations, name: "PARALLEL_DIROPS", since: 25),
    Entry(flag: .handleKillPrivileges, name: "HANDLE_KILLPRIV", since: 26),
    Entry(flag: .posixACL, name: "POSIX_ACL", since: 26),
    Entry(flag: .abortError, name: "ABORT_ERROR", since: 27),
    Entry(flag: .maximumPages, name: "MAX_PAGES", since: 28),
    Entry(flag: .cacheSymlinks, name: "CACHE_SYMLINKS", since: 28),
    Entry(flag: .noOpendirSupport, name: "NO_OPENDIR_SUPPORT", since: 29),
    Entry(flag: .explicitInvalidateData, name: "EXPLICIT_INVAL_DATA", since: 30),
    Entry(flag: .mapAlignment, name: "MAP_ALIGNMENT", since: 31),
    Entry(flag: .submounts, name: "SUBMOUNTS", since: 32),
    Entry(flag: .handleKillPrivilegesV2, name: "HANDLE_KILLPRIV_V2", since: 33),
    Entry(flag: .setxattrExtension, name: "SETXATTR_EXT", since: 33),
    Entry(flag: .extended, name: "INIT_EXT", since: 36),
    Entry(flag: .securityContext, name: "SECURITY_CTX", since: 36),
    Entry(flag: .inodeDAX, name: "HAS_INODE_DAX", since: 36),
    Entry(flag: .createSupplementaryGroup, name: "CREATE_SUPP_GROUP", since: 38),
    Entry(flag: .expireOnly, name: "HAS_EXPIRE_ONLY", since: 38),
    Entry(flag: .directIOAllowsMmap, name: "DIRECT_IO_ALLOW_MMAP", since: 39),
    Entry(flag: .passthrough, name: "PASSTHROUGH", since: 40),
    Entry(flag: .noExportSupport, name: "NO_EXPORT_SUPPORT", since: 40),
    Entry(flag: .resend, name: "HAS_RESEND", since: 40),
    Entry(flag: .allowIDMapping, name: "ALLOW_IDMAP", since: 41),
    Entry(flag: .overIOUring, name: "OVER_IO_URING", since: 42),
    Entry(flag: .requestTimeout, name: "REQUEST_TIMEOUT", since: 43),
  ]

  /// The flags that a side that named `minor` can know.
  public static func known(in minor: UInt32) -> InitFlags {
    history.reduce(into: []) { known, entry in if entry.since <= minor { known.insert(entry.flag) }
    }
  }
}
