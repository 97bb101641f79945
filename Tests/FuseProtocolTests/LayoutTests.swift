import CLinux
import FuseProtocol
import Testing

/// The structures of <linux/fuse.h> as the C compiler lays them out, against what is decoded and encoded here: each field has a value of its
/// own.
@Suite struct LayoutTests {
  private func bytes<T: BitwiseCopyable>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value) { Array($0) }
  }

  private func decode<C: BitwiseCopyable, R: RequestArguments>(
    _ value: C, _ opcode: Opcode, behind: [UInt8] = [], _ type: R.Type = R.self,
    flags: InitFlags = [], _ body: (R) -> Bool
  ) throws -> Bool {
    try (bytes(value) + behind).withUnsafeBytes {
      body(try R($0, of: opcode, NegotiatedProtocol(minor: 45, flags: flags)))
    }
  }

  private func load<C: BitwiseCopyable>(_ bytes: [UInt8], _ type: C.Type = C.self) -> C {
    bytes.withUnsafeBytes { $0.loadUnaligned(as: type) }
  }

  private let name: [UInt8] = [0x6E, 0]

  @Test func headers() throws {
    var header = fuse_in_header()
    header.len = 40
    header.opcode = FUSE_STATFS.rawValue
    header.unique = 2
    header.nodeid = 3
    header.uid = 4
    header.gid = 5
    header.pid = 6
    header.total_extlen = 7
    let decoded = try #require(bytes(header).withUnsafeBytes { RequestHeader($0) })
    #expect(RequestHeader.size == MemoryLayout<fuse_in_header>.size)
    #expect(decoded.length == 40 && decoded.opcode == .statfs && decoded.unique == 2)
    #expect(decoded.nodeID == 3 && decoded.userID == 4 && decoded.groupID == 5)
    #expect(decoded.processID == 6 && decoded.extensionLength == 56)
    let reply: fuse_out_header = load(
      encoded(16) { ReplyHeader(payloadSize: 8, error: -5, unique: 6).encode(into: $0) })
    #expect(reply.len == 24 && reply.error == -5 && reply.unique == 6)
    #expect(ReplyHeader.size == MemoryLayout<fuse_out_header>.size)
  }

  @Test func operations() {
    let known: [(Opcode, fuse_opcode)] = [
      (.lookup, FUSE_LOOKUP), (.forget, FUSE_FORGET), (.getattr, FUSE_GETATTR),
      (.setattr, FUSE_SETATTR), (.readlink, FUSE_READLINK), (.symlink, FUSE_SYMLINK),
      (.mknod, FUSE_MKNOD), (.mkdir, FUSE_MKDIR), (.unlink, FUSE_UNLINK), (.rmdir, FUSE_RMDIR),
      (.rename, FUSE_RENAME), (.link, FUSE_LINK), (.open, FUSE_OPEN), (.read, FUSE_READ),
      (.write, FUSE_WRITE), (.statfs, FUSE_STATFS), (.release, FUSE_RELEASE), (.fsync, FUSE_FSYNC),
      (.setxattr, FUSE_SETXATTR), (.getxattr, FUSE_GETXATTR), (.listxattr, FUSE_LISTXATTR),
      (.removexattr, FUSE_REMOVEXATTR), (.flush, FUSE_FLUSH), (.initialize, FUSE_INIT),
      (.opendir, FUSE_OPENDIR), (.readdir, FUSE_READDIR), (.releasedir, FUSE_RELEASEDIR),
      (.fsyncDirectory, FUSE_FSYNCDIR), (.getlk, FUSE_GETLK), (.setlk, FUSE_SETLK),
      (.setlkw, FUSE_SETLKW), (.access, FUSE_ACCESS), (.create, FUSE_CREATE),
      (.interrupt, FUSE_INTERRUPT), (.bmap, FUSE_BMAP), (.destroy, FUSE_DESTROY),
      (.ioctl, FUSE_IOCTL), (.poll, FUSE_POLL), (.notifyReply, FUSE_NOTIFY_REPLY),
      (.batchForget, FUSE_BATCH_FORGET), (.fallocate, FUSE_FALLOCATE),
      (.readdirplus, FUSE_READDIRPLUS), (.rename2, FUSE_RENAME2), (.lseek, FUSE_LSEEK),
      (.copyFileRange, FUSE_COPY_FILE_RANGE), (.setupmapping, FUSE_SETUPMAPPING),
      (.removemapping, FUSE_REMOVEMAPPING), (.syncFileSystem, FUSE_SYNCFS),
      (.tmpfile, FUSE_TMPFILE),
    ]
    for (opcode, number) in known { #expect(opcode.rawValue == number.rawValue) }
    // Younger than the header, and the extension.
    let young: Set<Opcode> = [
      .statx, .copyFileRange64, .freeze, .unfreeze, .shutdown, .iomapConfig, .iomapIOEnd,
      .iomapBegin, .iomapEnd,
    ]
    #expect(Set(known.map(\.0)).union(young) == Set(Opcode.allCases))
  }

  @Test func names() throws {
    #expect(
      try decode(
        fuse_mknod_in(mode: 1, rdev: 2, umask: 3, padding: 0), .mknod, behind: name,
        Request.MakeNode.self
      ) { $0.mode == 1 && $0.device == 2 && $0.umask == 3 && text($0.name) == "n" })
    #expect(
      try decode(
        fuse_mkdir_in(mode: 1, umask: 2), .mkdir, behind: name, Request.MakeDirectory.self
      ) { $0.mode == 1 && $0.umask == 2 })
    #expect(
      try decode(
        fuse_rename2_in(newdir: 1, flags: 2, padding: 0), .rename2, behind: name + name,
        Request.Rename.self
      ) { $0.newParent == 1 && $0.flags == 2 })
    #expect(
      try decode(
        fuse_rename_in(newdir: 1), .rename, behind: name + name, Request.Rename.self
      ) { $0.newParent == 1 && $0.flags == 0 })
    #expect(
      try decode(fuse_link_in(oldnodeid: 1), .link, behind: name, Request.Link.self) {
        $0.nodeID == 1
      })
    #expect(
      try decode(
        fuse_create_in(flags: 1, mode: 2, umask: 3, open_flags: 1), .create, behind: name,
        Request.Create.self
      ) { $0.flags == 1 && $0.mode == 2 && $0.umask == 3 && $0.requestFlags == .killSetID })
    #expect(
      try decode(
        fuse_setxattr_in(size: 1, flags: 2, setxattr_flags: 1, padding: 0), .setxattr,
        behind: name + [9], Request.SetExtendedAttribute.self, flags: .setxattrExtension
      ) { $0.flags == 2 && $0.setxattrFlags == .aclKillsSetGroupID && $0.value.count == 1 })
    #expect(
      try decode(
        fuse_getxattr_in(size: 1, padding: 0), .getxattr, behind: name,
        Request.GetExtendedAttribute.self
      ) { $0.size == 1 })
    #expect(
      try decode(fuse_forget_in(nlookup: 1), .forget, Request.Forget.self) { $0.lookups == 1 })
    #expect(
      try decode(
        fuse_batch_forget_in(count: 1, dummy: 0), .batchForget,
        behind: bytes(fuse_forget_one(nodeid: 1, nlookup: 2)), Request.BatchForget.self
      ) { $0.map(\.nodeID) == [1] && $0.map(\.lookups) == [2] })
  }

  @Test func data() throws {
    #expect(
      try decode(
        fuse_read_in(
          fh: 1, offset: 2, size: 3, read_flags: UInt32(FUSE_READ_LOCKOWNER), lock_owner: 5,
          flags: 6, padding: 0), .read, Request.Read.self
      ) {
        $0.handle == 1 && $0.offset == 2 && $0.size == 3 && $0.lockOwner == 5 && $0.flags == 6
      })
    #expect(
      try decode(
        fuse_write_in(
          fh: 1, offset: 2, size: 1,
          write_flags: UInt32(FUSE_WRITE_CACHE | FUSE_WRITE_LOCKOWNER | FUSE_WRITE_KILL_SUIDGID),
          lock_owner: 5, flags: 6, padding: 0), .write, behind: [7], Request.Write.self
      ) {
        $0.handle == 1 && $0.offset == 2 && $0.lockOwner == 5 && $0.flags == 6
          && $0.writeFlags == [.cache, .lockOwner, .killSetID] && Array($0.data) == [7]
      })
    #expect(
      try decode(
        fuse_fallocate_in(fh: 1, offset: 2, length: 3, mode: 4, padding: 0), .fallocate,
        Request.Allocate.self
      ) { $0.handle == 1 && $0.offset == 2 && $0.length == 3 && $0.mode == 4 })
    #expect(
      try decode(
        fuse_lseek_in(fh: 1, offset: 2, whence: 3, padding: 0), .lseek, Request.Seek.self
      ) { $0.handle == 1 && $0.offset == 2 && $0.whence == 3 })
    #expect(
      try decode(
        fuse_copy_file_range_in(
          fh_in: 1, off_in: 2, nodeid_out: 3, fh_out: 4, off_out: 5, len: 6, flags: 7),
        .copyFileRange, Request.CopyFileRange.self
      ) {
        $0.handle == 1 && $0.offset == 2 && $0.targetNodeID == 3 && $0.targetHandle == 4
          && $0.targetOffset == 5 && $0.length == 6 && $0.flags == 7
      })
    #expect(
      try decode(
        fuse_bmap_in(block: 1, blocksize: 2, padding: 0), .bmap, Request.MapBlock.self
      ) { $0.block == 1 && $0.blockSize == 2 })
    #expect(
      try decode(
        fuse_setupmapping_in(fh: 1, foffset: 2, len: 3, flags: 1, moffset: 5), .setupmapping,
        Request.SetupMapping.self
      ) {
        $0.handle == 1 && $0.fileOffset == 2 && $0.length == 3 && $0.flags == .write
          && $0.memoryOffset == 5
      })
    #expect(
      try decode(
        fuse_removemapping_in(count: 1), .removemapping,
        behind: bytes(fuse_removemapping_one(moffset: 1, len: 2)), Request.RemoveMapping.self
      ) { $0.map(\.memoryOffset) == [1] && $0.map(\.length) == [2] })
    var retrieved = fuse_notify_retrieve_in()
    retrieved.offset = 1
    retrieved.size = 2
    #expect(
      try decode(retrieved, .notifyReply, behind: [8, 9], Request.RetrievedData.self) {
        $0.offset == 1 && Array($0.data) == [8, 9]
      })
  }

  /// The same places in both structures.
  @Test func transfers() {
    let read = fuse_read_in(
      fh: 1, offset: 2, size: 3, read_flags: 4, lock_owner: 5, flags: 6, padding: 7)
    let write = fuse_write_in(
      fh: 1, offset: 2, size: 3, write_flags: 4, lock_owner: 5, flags: 6, padding: 7)
    for payload in [bytes(read), bytes(write)] {
      payload.withUnsafeBytes { payload in
        let fields = Request.TransferFields(payload)
        #expect(fields?.size == 3 && fields?.flags == 4)
        for length in 0..<24 {
          #expect(
            Request.TransferFields(UnsafeRawBufferPointer(rebasing: payload[..<length])) == nil)
        }
      }
    }
  }

  @Test func files() throws {
    #expect(
      try decode(fuse_open_in(flags: 1, open_flags: 1), .open, Request.Open.self) {
        $0.flags == 1 && $0.requestFlags == .killSetID
      })
    #expect(
      try decode(
        fuse_release_in(
          fh: 1, flags: 2, release_flags: UInt32(FUSE_RELEASE_FLOCK_UNLOCK), lock_owner: 4),
        .release, Request.Release.self
      ) {
        $0.handle == 1 && $0.flags == 2 && $0.releaseFlags == .flockUnlock && $0.lockOwner == 4
      })
    #expect(
      try decode(
        fuse_flush_in(fh: 1, unused: 2, padding: 3, lock_owner: 4), .flush, Request.Flush.self
      ) { $0.handle == 1 && $0.lockOwner == 4 })
    #expect(
      try decode(
        fuse_fsync_in(fh: 1, fsync_flags: 1, padding: 0), .fsync, Request.Synchronize.self
      ) { $0.handle == 1 && $0.flags == .dataOnly })
    #expect(
      try decode(
        fuse_lk_in(
          fh: 1, owner: 2, lk: fuse_file_lock(start: 3, end: 4, type: 5, pid: 6), lk_flags: 1,
          padding: 0), .getlk, Request.Lock.self
      ) {
        $0.handle == 1 && $0.owner == 2 && $0.flags == .flock
          && $0.lock == FileLock(start: 3, end: 4, type: 5, processID: 6)
      })
    #expect(
      try decode(
        fuse_ioctl_in(fh: 1, flags: 4, cmd: 3, arg: 4, in_size: 1, out_size: 6), .ioctl,
        behind: [7], Request.Control.self
      ) {
        $0.handle == 1 && $0.flags == .retry && $0.command == 3 && $0.argument == 4
          && $0.outputSize == 6 && $0.input.count == 1
      })
    #expect(
      try decode(
        fuse_poll_in(fh: 1, kh: 2, flags: 1, events: 4), .poll, Request.Poll.self
      ) {
        $0.handle == 1 && $0.kernelHandle == 2 && $0.flags == .scheduleNotify && $0.events == 4
      })
    #expect(
      try decode(fuse_access_in(mask: 1, padding: 0), .access, Request.Access.self) {
        $0.mask == 1
      })
    #expect(
      try decode(fuse_interrupt_in(unique: 1), .interrupt, Request.Interrupt.self) {
        $0.unique == 1
      })
  }

  @Test func attributes() throws {
    #expect(
      try decode(
        fuse_getattr_in(getattr_flags: UInt32(FUSE_GETATTR_FH), dummy: 0, fh: 3), .getattr,
        Request.GetAttributes.self
      ) { $0.handle == 3 })
    var setattr = fuse_setattr_in()
    setattr.valid = UInt32(FATTR_SIZE | FATTR_KILL_SUIDGID | FATTR_CTIME)
    (setattr.fh, setattr.size, setattr.lock_owner) = (1, 2, 3)
    (setattr.atime, setattr.mtime, setattr.ctime) = (4, 5, 6)
    (setattr.atimensec, setattr.mtimensec, setattr.ctimensec) = (7, 8, 9)
    (setattr.mode, setattr.uid, setattr.gid) = (10, 11, 12)
    #expect(
      try decode(setattr, .setattr, Request.SetAttributes.self) {
        $0.selection == [.size, .killSetID, .changeTime] && $0.handle == 1 && $0.size == 2
          && $0.lockOwner == 3 && $0.accessTime == Timestamp(seconds: 4, nanoseconds: 7)
          && $0.modificationTime == Timestamp(seconds: 5, nanoseconds: 8)
          && $0.changeTime == Timestamp(seconds: 6, nanoseconds: 9) && $0.mode == 10
          && $0.userID == 11 && $0.groupID == 12
      })
    var initialize = fuse_init_in()
    (initialize.major, initialize.minor, initialize.max_readahead) = (7, 45, 3)
    (initialize.flags, initialize.flags2) = (1 << 30, 1 << 9)
    #expect(
      try decode(initialize, .initialize, Request.Initialize.self) {
        $0.major == 7 && $0.minor == 45 && $0.maximumReadahead == 3
          && $0.flags == [.extended, .overIOUring]
      })
  }
}
