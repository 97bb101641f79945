import CLinux
import FuseProtocol
import Testing

/// Replies and notifications, against the structures of <linux/fuse.h> as the C compiler lays them out.
@Suite struct ReplyLayoutTests {
  private func load<R: ReplyArguments, C: BitwiseCopyable>(_ reply: R, _ type: C.Type) -> C {
    #expect(R.size(at: 45) == MemoryLayout<C>.size)
    return encoded(MemoryLayout<C>.size) { reply.encode(into: $0, at: 45) }
      .withUnsafeBytes { $0.loadUnaligned(as: type) }
  }

  private func load<N: NotificationArguments, C: BitwiseCopyable>(
    _ notification: N, _ type: C.Type
  ) -> C {
    #expect(notification.payloadSize >= MemoryLayout<C>.size)
    return encoded(notification.payloadSize) { notification.encode(into: $0) }
      .withUnsafeBytes { $0.loadUnaligned(as: type) }
  }

  private let attributes = FileAttributes(
    inode: 1, size: 2, sectorCount: 3, accessTime: Timestamp(seconds: 4, nanoseconds: 5),
    modificationTime: Timestamp(seconds: 6, nanoseconds: 7),
    changeTime: Timestamp(seconds: 8, nanoseconds: 9), mode: 10, linkCount: 11, userID: 12,
    groupID: 13, device: 14, blockSize: 15, flags: FileAttributeFlags(rawValue: 16))

  private func expect(_ a: fuse_attr) {
    #expect(a.ino == 1 && a.size == 2 && a.blocks == 3 && a.atime == 4 && a.atimensec == 5)
    #expect(a.mtime == 6 && a.mtimensec == 7 && a.ctime == 8 && a.ctimensec == 9)
    #expect(a.mode == 10 && a.nlink == 11 && a.uid == 12 && a.gid == 13 && a.rdev == 14)
    #expect(a.blksize == 15 && a.flags == 16)
  }

  @Test func entriesAndAttributes() {
    let entry = load(
      Reply.Entry(
        nodeID: 21, generation: 22, nameTimeout: CacheTimeout(seconds: 23, nanoseconds: 24),
        attributeTimeout: CacheTimeout(seconds: 25, nanoseconds: 26), attributes: attributes),
      fuse_entry_out.self)
    #expect(entry.nodeid == 21 && entry.generation == 22 && entry.entry_valid == 23)
    #expect(entry.entry_valid_nsec == 24 && entry.attr_valid == 25 && entry.attr_valid_nsec == 26)
    expect(entry.attr)
    let reply = load(
      Reply.Attributes(
        timeout: CacheTimeout(seconds: 25, nanoseconds: 26), attributes: attributes),
      fuse_attr_out.self)
    #expect(reply.attr_valid == 25 && reply.attr_valid_nsec == 26)
    expect(reply.attr)
    #expect(Reply.Entry.size(at: 8) == Int(FUSE_COMPAT_ENTRY_OUT_SIZE))
    #expect(Reply.Attributes.size(at: 8) == Int(FUSE_COMPAT_ATTR_OUT_SIZE))
  }

  @Test func smallOnes() {
    let open = load(
      Reply.Open(handle: 1, flags: [.directIO, .cacheDirectory], backingID: 0), fuse_open_out.self)
    #expect(open.fh == 1 && open.open_flags == UInt32(FOPEN_DIRECT_IO | FOPEN_CACHE_DIR))
    #expect(load(Reply.Write(count: 1), fuse_write_out.self).size == 1)
    #expect(load(Reply.ExtendedAttributeSize(size: 1), fuse_getxattr_out.self).size == 1)
    #expect(load(Reply.Block(block: 1), fuse_bmap_out.self).block == 1)
    #expect(load(Reply.Seek(offset: 1), fuse_lseek_out.self).offset == 1)
    #expect(load(Reply.Poll(events: 1), fuse_poll_out.self).revents == 1)
    let lock = load(
      Reply.Lock(lock: FileLock(start: 1, end: 2, type: 3, processID: 4)), fuse_lk_out.self)
    #expect(lock.lk.start == 1 && lock.lk.end == 2 && lock.lk.type == 3 && lock.lk.pid == 4)
    let control = load(
      Reply.Control(result: 1, flags: .retry, inputVectors: 3, outputVectors: 4),
      fuse_ioctl_out.self)
    #expect(control.result == 1 && control.flags == UInt32(FUSE_IOCTL_RETRY))
    #expect(control.in_iovs == 3 && control.out_iovs == 4)
    let vector = load(Reply.IoctlVector(base: 1, length: 2), fuse_ioctl_iovec.self)
    #expect(vector.base == 1 && vector.len == 2)
  }

  @Test func statistics() {
    let reply = load(
      Reply.Statistics(
        blocks: 1, freeBlocks: 2, availableBlocks: 3, files: 4, freeFiles: 5, blockSize: 6,
        maximumNameLength: 7, fragmentSize: 8), fuse_statfs_out.self)
    #expect(reply.st.blocks == 1 && reply.st.bfree == 2 && reply.st.bavail == 3)
    #expect(reply.st.files == 4 && reply.st.ffree == 5 && reply.st.bsize == 6)
    #expect(reply.st.namelen == 7 && reply.st.frsize == 8)
    #expect(Reply.Statistics.size(at: 3) == Int(FUSE_COMPAT_STATFS_SIZE))
  }

  @Test func initialize() {
    let reply = load(
      Reply.Initialize(
        major: 1, minor: 2, maximumReadahead: 3, flags: [.extended, .securityContext],
        maximumBackground: 4, congestionThreshold: 5, maximumWrite: 6, timeGranularity: 7,
        maximumPages: 8, mapAlignment: 9), fuse_init_out.self)
    #expect(reply.major == 1 && reply.minor == 2 && reply.max_readahead == 3)
    #expect(reply.flags == UInt32(FUSE_INIT_EXT) && reply.flags2 == 1)
    #expect(reply.max_background == 4 && reply.congestion_threshold == 5 && reply.max_write == 6)
    #expect(reply.time_gran == 7 && reply.max_pages == 8 && reply.map_alignment == 9)
    #expect(Reply.Initialize.size(at: 4) == Int(FUSE_COMPAT_INIT_OUT_SIZE))
    #expect(Reply.Initialize.size(at: 22) == Int(FUSE_COMPAT_22_INIT_OUT_SIZE))
  }

  @Test func notifications() {
    #expect(
      load(Notification.Poll(kernelHandle: 1), fuse_notify_poll_wakeup_out.self).kh == 1)
    let inode = load(
      Notification.InvalidateInode(nodeID: 1, offset: 2, length: 3),
      fuse_notify_inval_inode_out.self)
    #expect(inode.ino == 1 && inode.off == 2 && inode.len == 3)
    [UInt8(0x61), 0x62].withUnsafeBytes { name in
      let entry = load(
        Notification.InvalidateEntry(parent: 1, name: name, flags: .expireOnly),
        fuse_notify_inval_entry_out.self)
      #expect(entry.parent == 1 && entry.namelen == 2)
      let delete = load(
        Notification.Delete(parent: 1, child: 2, name: name), fuse_notify_delete_out.self)
      #expect(delete.parent == 1 && delete.child == 2 && delete.namelen == 2)
      let store = load(
        Notification.Store(nodeID: 1, offset: 2, data: name), fuse_notify_store_out.self)
      #expect(store.nodeid == 1 && store.offset == 2 && store.size == 2)
    }
    let retrieve = load(
      Notification.Retrieve(unique: 1, nodeID: 2, offset: 3, size: 4),
      fuse_notify_retrieve_out.self)
    #expect(retrieve.notify_unique == 1 && retrieve.nodeid == 2)
    #expect(retrieve.offset == 3 && retrieve.size == 4)
    let codes: [(NotificationCode, fuse_notify_code)] = [
      (.poll, FUSE_NOTIFY_POLL), (.invalidateInode, FUSE_NOTIFY_INVAL_INODE),
      (.invalidateEntry, FUSE_NOTIFY_INVAL_ENTRY), (.store, FUSE_NOTIFY_STORE),
      (.retrieve, FUSE_NOTIFY_RETRIEVE), (.delete, FUSE_NOTIFY_DELETE),
    ]
    for (code, number) in codes { #expect(code.rawValue == Int32(number.rawValue)) }
  }

  @Test func directories() {
    #expect(MemoryLayout<fuse_dirent>.size == 24)
    #expect(MemoryLayout<fuse_dirent>.offset(of: \.namelen) == 16)
    #expect(MemoryLayout<fuse_dirent>.offset(of: \.type) == 20)
  }

  @Test func flags() {
    #expect(InitFlags.handleKillPrivilegesV2.rawValue == UInt64(FUSE_HANDLE_KILLPRIV_V2))
    #expect(InitFlags.setxattrExtension.rawValue == UInt64(FUSE_SETXATTR_EXT))
    #expect(InitFlags.extended.rawValue == UInt64(FUSE_INIT_EXT))
    #expect(InitFlags.submounts.rawValue == UInt64(FUSE_SUBMOUNTS))
    #expect(InitFlags.noOpendirSupport.rawValue == UInt64(FUSE_NO_OPENDIR_SUPPORT))
    #expect(InitFlags.writebackCache.rawValue == UInt64(FUSE_WRITEBACK_CACHE))
    #expect(AttributeSelection.killSetID.rawValue == UInt32(FATTR_KILL_SUIDGID))
    #expect(AttributeSelection.handle.rawValue == UInt32(FATTR_FH))
    #expect(AttributeSelection.lockOwner.rawValue == UInt32(FATTR_LOCKOWNER))
    #expect(ReleaseFlags.flush.rawValue == UInt32(FUSE_RELEASE_FLUSH))
    #expect(IoctlFlags.compatX32.rawValue == UInt32(FUSE_IOCTL_COMPAT_X32))
    #expect(FileAttributeFlags.dax.rawValue == UInt32(FUSE_ATTR_DAX))
    #expect(SynchronizationFlags.dataOnly.rawValue == UInt32(FUSE_FSYNC_FDATASYNC))
  }
}
