import FuseProtocol
import FuseTransport
import Glibc
import IomapCache

/// What the server asks of the kernel when the connection is made (FUSE_INIT).
enum Negotiation {
  /// The reply to the kernel's offer.
  static func reply(
    to offer: Request.Initialize, options: Session.Options, usesIomap: Bool, usesRing: Bool = false
  ) -> Reply.Initialize {
    var flags = wanted(options, usesIomap: usesIomap).intersection(offer.flags)
    // Not to be taken unless it works: from then on the kernel keeps requests waiting until it does.
    if usesRing { flags.insert(.overIOUring) }
    let pages = flags.contains(.maximumPages) ? TransferMemory.maximumTransfer / pageSize : 0
    return Reply.Initialize(
      minor: usesIomap ? InitFlags.iomapMinor : NegotiatedProtocol.latestMinor,
      // No more than the mount has at that time, which only root can raise.
      maximumReadahead: maximumReadAhead,
      flags: flags, maximumBackground: UInt16(maximumBackground), congestionThreshold: 48,
      maximumWrite: UInt32(pages == 0 ? defaultPages * pageSize : pages * pageSize),
      timeGranularity: options.timeGranularity, maximumPages: UInt16(pages))
  }

  /// All that is wanted of kernels that have it.
  private static func wanted(_ options: Session.Options, usesIomap: Bool) -> InitFlags {
    // The server applies the umask, since a default ACL takes its place. HANDLE_KILLPRIV_V2 leaves the set-id bits and capabilities of written
    // files to the server, which saves a GETXATTR for every write.
    var flags: InitFlags = [
      .asyncRead, .bigWrites, .exportSupport, .dontMask, .readdirplus, .readdirplusAuto,
      .parallelDirectoryOperations, .cacheSymlinks, .maximumPages, .handleKillPrivilegesV2,
      .extended,
    ]
    // After asynchronous direct writes the kernel must be told to drop pages (`DirectWrites`), which takes a second thread.
    if options.workerCount > 1 { flags.insert(.asyncDirectIO) }
    // Iomap takes a protocol of its own (fuse-iomap ABI 2.4).
    flags.insert(usesIomap ? .iomapOrBufferPool : .writebackCache)
    if options.accessControlLists { flags.insert(.posixACL) }
    // The kernel wants to check permissions by itself for mapped ids, and says less of callers.
    if options.mappedIDs { flags.insert(.allowIDMapping) }
    // Not wanted: ATOMIC_O_TRUNC, since opening is declined; AUTO_INVAL_DATA, since no other program changes the image; splice,
    // since replies are gathered from memory. NO_OPEN_SUPPORT, NO_OPENDIR_SUPPORT and HAS_IOCTL_DIR are the kernel's to offer, and not to be asked for.
    return flags
  }

  /// How many requests in the background (read-ahead, write-back, asynchronous direct I/O) the kernel sends at a time.
  static let maximumBackground = 64

  /// How far the kernel may be set to read ahead, in bytes.
  static let maximumReadAhead: UInt32 = 4 << 20

  /// FUSE_DEFAULT_MAX_PAGES_PER_REQ of fs/fuse/fuse_i.h.
  private static let defaultPages = 32
  private static let pageSize = sysconf(CInt(_SC_PAGESIZE))
}
