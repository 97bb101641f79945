import CFuse3

/// What the session asks of the kernel when the connection is made (FUSE_INIT).
enum Negotiation {
  /// Chooses among what the kernel offers and libfuse knows.
  static func choose(_ connection: UnsafeMutablePointer<fuse_conn_info>, options: Session.Options) {
    let offered = connection.pointee.capable
    var wanted: UInt32 = 0
    // Of type int in libfuse 3.14, and of type unsigned long in later ones.
    func want(_ capability: some BinaryInteger) {
      wanted |= UInt32(truncatingIfNeeded: capability) & offered
    }
    want(FUSE_CAP_ASYNC_READ)
    want(FUSE_CAP_ASYNC_DIO)
    want(FUSE_CAP_EXPORT_SUPPORT)
    // The server applies the umask, since a default ACL takes its place.
    want(FUSE_CAP_DONT_MASK)
    want(FUSE_CAP_IOCTL_DIR)
    want(FUSE_CAP_READDIRPLUS)
    want(FUSE_CAP_READDIRPLUS_AUTO)
    want(FUSE_CAP_WRITEBACK_CACHE)
    want(FUSE_CAP_NO_OPEN_SUPPORT)
    want(FUSE_CAP_NO_OPENDIR_SUPPORT)
    want(FUSE_CAP_PARALLEL_DIROPS)
    want(FUSE_CAP_CACHE_SYMLINKS)
    if options.accessControlLists { want(FUSE_CAP_POSIX_ACL) }
    // Not wanted: ATOMIC_O_TRUNC, since opening is declined; AUTO_INVAL_DATA, since nobody else changes the image; splice,
    // since replies are gathered from memory.
    connection.pointee.want = wanted
    // libfuse allows as many pages as the kernel may be set to take, of whatever size pages are here; reads follow.
    connection.pointee.max_write = min(
      connection.pointee.max_write, UInt32(Worker.maximumTransfer))
    connection.pointee.max_background = 64
    connection.pointee.congestion_threshold = 48
    connection.pointee.time_gran = options.timeGranularity
  }

  /// Adds to libfuse's reply what that libfuse does not know. `reply` is the payload, `struct fuse_init_out`.
  ///
  /// HANDLE_KILLPRIV_V2 leaves the set-id bits and capabilities of written files to the server, which saves a GETXATTR for
  /// every write.
  static func amend(_ reply: UnsafeMutableRawBufferPointer, offered: UInt32) {
    guard reply.count >= 16 else { return }
    let flags = reply.loadUnaligned(fromByteOffset: flagsOffset, as: UInt32.self)
    reply.storeBytes(
      of: flags | (offered & handleKillPrivilegesV2), toByteOffset: flagsOffset, as: UInt32.self)
  }

  /// The flags in the payload of the request and of the reply.
  static let flagsOffset = 12
  private static let handleKillPrivilegesV2: UInt32 = 1 << 28
}
