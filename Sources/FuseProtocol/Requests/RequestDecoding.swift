import IomapCache

extension Request {
  /// Decodes the arguments of `opcode`. `payload` is what lies between the header and the extensions; it must outlive the request. Allocates
  /// nothing.
  ///
  /// Errors: `truncated`, `excess`, `unterminatedName`, and `value` for an IOMAP_END about a mapping of a type that does not exist. INIT alone
  /// may be longer than is known: it comes before any version is agreed on.
  public init(
    _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ negotiated: NegotiatedProtocol
  ) throws(DecodingError) {
    var cursor = PayloadCursor(payload, of: opcode, negotiated)
    self = try Self.decode(&cursor)
    try cursor.finish()
  }

  /// In the order of the numbers.
  static func decode(_ cursor: inout PayloadCursor) throws(DecodingError) -> Request {
    switch cursor.opcode {
    case .lookup: .lookup(try Lookup(&cursor))
    case .forget: .forget(try Forget(&cursor))
    case .getattr: .getattr(try GetAttributes(&cursor))
    case .setattr: .setattr(try SetAttributes(&cursor))
    case .readlink: .readlink
    case .symlink: .symlink(try MakeSymbolicLink(&cursor))
    case .mknod: .mknod(try MakeNode(&cursor))
    case .mkdir: .mkdir(try MakeDirectory(&cursor))
    case .unlink: .unlink(try Unlink(&cursor))
    case .rmdir: .rmdir(try Unlink(&cursor))
    case .rename: .rename(try Rename(&cursor))
    case .link: .link(try Link(&cursor))
    case .open: .open(try Open(&cursor))
    case .read: .read(try Read(&cursor))
    case .write: .write(try Write(&cursor))
    case .statfs: .statfs
    case .release: .release(try Release(&cursor))
    case .fsync: .fsync(try Synchronize(&cursor))
    case .setxattr: .setxattr(try SetExtendedAttribute(&cursor))
    case .getxattr: .getxattr(try GetExtendedAttribute(&cursor))
    case .listxattr: .listxattr(try ListExtendedAttributes(&cursor))
    case .removexattr: .removexattr(try RemoveExtendedAttribute(&cursor))
    case .flush: .flush(try Flush(&cursor))
    case .initialize: .initialize(try Initialize(&cursor))
    case .opendir: .opendir(try Open(&cursor))
    case .readdir: .readdir(try Read(&cursor))
    case .releasedir: .releasedir(try Release(&cursor))
    case .fsyncDirectory: .fsyncDirectory(try Synchronize(&cursor))
    case .getlk: .getlk(try Lock(&cursor))
    case .setlk: .setlk(try Lock(&cursor))
    case .setlkw: .setlkw(try Lock(&cursor))
    case .access: .access(try Access(&cursor))
    case .create: .create(try Create(&cursor))
    default: try decodeLater(&cursor)
    }
  }

  /// What the protocol has had since 7.7, CREATE and locks excepted.
  private static func decodeLater(_ cursor: inout PayloadCursor) throws(DecodingError) -> Request {
    switch cursor.opcode {
    case .interrupt: .interrupt(try Interrupt(&cursor))
    case .bmap: .bmap(try MapBlock(&cursor))
    case .destroy: .destroy
    case .ioctl: .ioctl(try Control(&cursor))
    case .poll: .poll(try Poll(&cursor))
    case .notifyReply: .notifyReply(try RetrievedData(&cursor))
    case .batchForget: .batchForget(try BatchForget(&cursor))
    case .fallocate: .fallocate(try Allocate(&cursor))
    case .readdirplus: .readdirplus(try Read(&cursor))
    case .rename2: .rename2(try Rename(&cursor))
    case .lseek: .lseek(try Seek(&cursor))
    case .copyFileRange: .copyFileRange(try CopyFileRange(&cursor))
    case .copyFileRange64: .copyFileRange64(try CopyFileRange(&cursor))
    case .setupmapping: .setupmapping(try SetupMapping(&cursor))
    case .removemapping: .removemapping(try RemoveMapping(&cursor))
    case .syncFileSystem: try syncFileSystem(&cursor)
    case .tmpfile: .tmpfile(try Create(&cursor))
    case .statx: .statx(try GetStatx(&cursor))
    default: try decodeIomap(&cursor)
    }
  }

  /// `struct fuse_syncfs_in` is 8 bytes of padding.
  private static func syncFileSystem(
    _ cursor: inout PayloadCursor
  ) throws(DecodingError) -> Request {
    _ = try cursor.bytes(8)
    return .syncFileSystem
  }

  /// What IomapCache reads.
  private static func decodeIomap(_ cursor: inout PayloadCursor) throws(DecodingError) -> Request {
    switch cursor.opcode {
    case .freeze:
      .freeze(try cursor.iomap(IomapWire.FreezeRequest.size) { IomapWire.FreezeRequest($0) })
    case .unfreeze: .unfreeze
    case .shutdown:
      .shutdown(try cursor.iomap(IomapWire.ShutdownRequest.size) { IomapWire.ShutdownRequest($0) })
    case .iomapConfig:
      .iomapConfig(try cursor.iomap(IomapWire.ConfigRequest.size) { IomapWire.ConfigRequest($0) })
    case .iomapIOEnd: try ioEnd(&cursor)
    case .iomapBegin:
      .iomapBegin(try cursor.iomap(IomapWire.BeginRequest.size) { IomapWire.BeginRequest($0) })
    case .iomapEnd:
      .iomapEnd(try cursor.iomap(IomapWire.EndRequest.size) { IomapWire.EndRequest($0) })
    default: throw cursor.error(.unknownOpcode)
    }
  }

  private static func ioEnd(_ cursor: inout PayloadCursor) throws(DecodingError) -> Request {
    let revision =
      cursor.negotiated.iomapRevision
      ?? (cursor.rest.count == IomapRevision.v6.ioEndRequestSize ? .v6 : .v7)
    return .iomapIOEnd(
      try cursor.iomap(revision.ioEndRequestSize) { IomapWire.IOEndRequest($0, revision) })
  }
}
