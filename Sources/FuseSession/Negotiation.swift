import CFuse3
import FuseProtocol
import IomapCache

/// What the session asks of the kernel when the connection is made (FUSE_INIT).
enum Negotiation {
  /// Chooses among what the kernel offers and libfuse knows.
  static func choose(
    _ connection: UnsafeMutablePointer<fuse_conn_info>, options: Session.Options, usesIomap: Bool
  ) {
    let offered = connection.pointee.capable
    var wanted: UInt32 = 0
    // Of type int in libfuse 3.14, and of type unsigned long in later ones.
    func want(_ capability: some BinaryInteger) {
      wanted |= UInt32(truncatingIfNeeded: capability) & offered
    }
    want(FUSE_CAP_ASYNC_READ)
    // After asynchronous direct writes the kernel must be told to drop pages (`DirectWrites`), which takes a second thread.
    if options.workerCount > 1 { want(FUSE_CAP_ASYNC_DIO) }
    want(FUSE_CAP_EXPORT_SUPPORT)
    // The server applies the umask, since a default ACL takes its place.
    want(FUSE_CAP_DONT_MASK)
    want(FUSE_CAP_IOCTL_DIR)
    want(FUSE_CAP_READDIRPLUS)
    want(FUSE_CAP_READDIRPLUS_AUTO)
    if !usesIomap {
      want(FUSE_CAP_WRITEBACK_CACHE)
      // The kernel must say when it has closed a file whose data it moves (fuse-iomap ABI 4.7).
      if !options.checksOpening { want(FUSE_CAP_NO_OPEN_SUPPORT) }
    }
    want(FUSE_CAP_NO_OPENDIR_SUPPORT)
    want(FUSE_CAP_PARALLEL_DIROPS)
    want(FUSE_CAP_CACHE_SYMLINKS)
    if options.accessControlLists { want(FUSE_CAP_POSIX_ACL) }
    // Not wanted: ATOMIC_O_TRUNC, since opening is declined; AUTO_INVAL_DATA, since no other program changes the image; splice,
    // since replies are gathered from memory.
    connection.pointee.want = wanted
    // libfuse allows as many pages as the kernel may be set to take, of whatever size pages are here; reads follow.
    connection.pointee.max_write = min(
      connection.pointee.max_write, UInt32(TransferMemory.maximumTransfer))
    // No more than the mount has at that time, which only root can raise.
    connection.pointee.max_readahead = maximumReadAhead
    connection.pointee.max_background = UInt32(maximumBackground)
    connection.pointee.congestion_threshold = 48
    connection.pointee.time_gran = options.timeGranularity
  }

  /// Adds to libfuse's reply what that libfuse does not know. `request` and `reply` are the payloads, `struct fuse_init_in`
  /// and `struct fuse_init_out`.
  ///
  /// HANDLE_KILLPRIV_V2 leaves the set-id bits and capabilities of written files to the server, which saves a GETXATTR for
  /// every write. Iomap takes a protocol of its own (fuse-iomap ABI 2.4).
  static func amend(
    _ reply: UnsafeMutableRawBufferPointer, to request: UnsafeRawBufferPointer, usesIomap: Bool,
    mappedIDs: Bool = false
  ) {
    guard reply.count >= flagsOffset + 4, let offered = offer(request)?.flags else { return }
    var flags = reply.loadUnaligned(fromByteOffset: flagsOffset, as: UInt32.self)
    flags |= offered.intersection(.handleKillPrivilegesV2).low
    // The kernel wants to check permissions by itself for mapped ids, and says less of callers.
    if mappedIDs, offered.contains(.allowIDMapping), reply.count >= replyFlags2Offset + 4 {
      flags |= InitFlags.extended.low
      let flags2 = reply.loadUnaligned(fromByteOffset: replyFlags2Offset, as: UInt32.self)
      reply.storeBytes(
        of: flags2 | InitFlags.allowIDMapping.high, toByteOffset: replyFlags2Offset,
        as: UInt32.self)
    }
    if usesIomap, reply.count >= replyFlags2Offset + 4 {
      flags |= IomapWire.initFlagExtension
      flags &= ~IomapWire.initFlagAtomicTruncate
      let flags2 = reply.loadUnaligned(fromByteOffset: replyFlags2Offset, as: UInt32.self)
      reply.storeBytes(
        of: flags2 | IomapWire.initFlags2Iomap, toByteOffset: replyFlags2Offset, as: UInt32.self)
      reply.storeBytes(of: IomapWire.protocolMinor, toByteOffset: minorOffset, as: UInt32.self)
    }
    reply.storeBytes(of: flags, toByteOffset: flagsOffset, as: UInt32.self)
  }

  /// Whether the kernel offers iomap in its request. Bit 43 means something else to kernels that do not name the minor of iomap.
  static func offersIomap(_ request: UnsafeRawBufferPointer) -> Bool {
    offer(request).map { $0.flags.hasIomap(minor: $0.minor) } ?? false
  }

  /// The payload of INIT; nil when it is none.
  private static func offer(_ request: UnsafeRawBufferPointer) -> Request.Initialize? {
    try? Request.Initialize(request, of: .initialize, .layout)
  }

  /// How many requests in the background (read-ahead, write-back, asynchronous direct I/O) the kernel sends at a time.
  static let maximumBackground = 64

  /// How far the kernel may be set to read ahead, in bytes.
  static let maximumReadAhead: UInt32 = 4 << 20

  static let minorOffset = 4
  /// In the payload of the reply.
  static let flagsOffset = 12
  static let replyFlags2Offset = 32
}
