import CFuse3
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
    // Not wanted: ATOMIC_O_TRUNC, since opening is declined; AUTO_INVAL_DATA, since nobody else changes the image; splice,
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
    guard reply.count >= flagsOffset + 4, request.count >= flagsOffset + 4 else { return }
    let offered = request.loadUnaligned(fromByteOffset: flagsOffset, as: UInt32.self)
    var flags = reply.loadUnaligned(fromByteOffset: flagsOffset, as: UInt32.self)
    flags |= offered & handleKillPrivilegesV2
    // Mounts with mapped ids (FUSE_ALLOW_IDMAP, bit 40). The kernel wants to check permissions by itself for that, and says less of callers.
    if mappedIDs, offered & IomapWire.initFlagExtension != 0, reply.count >= replyFlags2Offset + 4,
      request.count >= requestFlags2Offset + 4
    {
      let offered2 = request.loadUnaligned(fromByteOffset: requestFlags2Offset, as: UInt32.self)
      if offered2 & allowMappedIDs != 0 {
        flags |= IomapWire.initFlagExtension
        let flags2 = reply.loadUnaligned(fromByteOffset: replyFlags2Offset, as: UInt32.self)
        reply.storeBytes(
          of: flags2 | allowMappedIDs, toByteOffset: replyFlags2Offset, as: UInt32.self)
      }
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

  /// Whether the kernel offers iomap in its request.
  static func offersIomap(_ request: UnsafeRawBufferPointer) -> Bool {
    guard request.count >= requestFlags2Offset + 4 else { return false }
    let flags = request.loadUnaligned(fromByteOffset: flagsOffset, as: UInt32.self)
    let flags2 = request.loadUnaligned(fromByteOffset: requestFlags2Offset, as: UInt32.self)
    return flags & IomapWire.initFlagExtension != 0 && flags2 & IomapWire.initFlags2Iomap != 0
  }

  /// How many requests in the background (read-ahead, write-back, asynchronous direct I/O) the kernel sends at a time.
  static let maximumBackground = 64

  /// How far the kernel may be set to read ahead, in bytes.
  static let maximumReadAhead: UInt32 = 4 << 20

  static let minorOffset = 4
  /// The flags in the payload of the request and of the reply.
  static let flagsOffset = 12
  static let requestFlags2Offset = 16
  static let replyFlags2Offset = 32
  /// In `flags2`.
  private static let allowMappedIDs: UInt32 = 1 << 8
  private static let handleKillPrivilegesV2: UInt32 = 1 << 28
}
