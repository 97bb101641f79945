import FuseProtocol
import Testing

extension Golden {
  private static let openDump = """
    flags: 02 84 00 00
    open_flags: 01 00 00 00
    """
  private static let releaseDump = """
    fh: 01 02 03 04 05 06 07 08
    flags: 02 80 00 00
    release_flags: 03 00 00 00
    lock_owner: 11 12 13 14 15 16 17 18
    """
  private static let fsyncDump = """
    fh: 01 02 03 04 05 06 07 08
    fsync_flags: 01 00 00 00
    padding: 00 00 00 00
    """
  private static let lockDump = """
    fh: 01 02 03 04 05 06 07 08
    owner: 11 12 13 14 15 16 17 18
    lk.start: 00 10 00 00 00 00 00 00
    lk.end: ff ff ff ff ff ff ff 7f
    lk.type: 01 00 00 00
    lk.pid: 92 10 00 00
    lk_flags: 01 00 00 00
    padding: 00 00 00 00
    """

  @Sendable private static func check(_ open: Request.Open) {
    #expect(open.flags == 0x8402 && open.requestFlags == .killSetID)
  }

  @Sendable private static func check(_ release: Request.Release) {
    #expect(release.handle == 0x0807_0605_0403_0201 && release.flags == 0x8002)
    #expect(release.releaseFlags == [.flush, .flockUnlock])
    #expect(release.lockOwner == 0x1817_1615_1413_1211)
  }

  @Sendable private static func check(_ fsync: Request.Synchronize) {
    #expect(fsync.handle == 0x0807_0605_0403_0201 && fsync.flags == .dataOnly)
  }

  @Sendable private static func check(_ lock: Request.Lock) {
    #expect(lock.handle == 0x0807_0605_0403_0201 && lock.owner == 0x1817_1615_1413_1211)
    #expect(
      lock.lock == FileLock(start: 4096, end: UInt64(Int64.max), type: 1, processID: 4242))
    #expect(lock.flags == .flock)
  }

  /// Requests about open files.
  static let files: [Golden] = [
    Golden(.open, openDump) {
      guard case .open(let open) = $0 else { throw Mismatch() }
      check(open)
    },
    Golden(.opendir, openDump) {
      guard case .opendir(let open) = $0 else { throw Mismatch() }
      check(open)
    },
    Golden(.release, releaseDump) {
      guard case .release(let release) = $0 else { throw Mismatch() }
      check(release)
    },
    Golden(.releasedir, releaseDump) {
      guard case .releasedir(let release) = $0 else { throw Mismatch() }
      check(release)
    },
    Golden(
      .release, minor: 7,
      """
      fh: 01 02 03 04 05 06 07 08
      flags: 02 80 00 00
      padding: ff ff ff ff
      """, longerForms: [24]
    ) {
      guard case .release(let release) = $0 else { throw Mismatch() }
      #expect(release.handle == 0x0807_0605_0403_0201 && release.flags == 0x8002)
      #expect(release.releaseFlags == [] && release.lockOwner == 0)
    },
    Golden(.fsync, fsyncDump) {
      guard case .fsync(let fsync) = $0 else { throw Mismatch() }
      check(fsync)
    },
    Golden(.fsyncDirectory, fsyncDump) {
      guard case .fsyncDirectory(let fsync) = $0 else { throw Mismatch() }
      check(fsync)
    },
    Golden(
      .flush,
      """
      fh: 01 02 03 04 05 06 07 08
      unused: ff ff ff ff
      padding: ff ff ff ff
      lock_owner: 11 12 13 14 15 16 17 18
      """
    ) {
      guard case .flush(let flush) = $0 else { throw Mismatch() }
      #expect(flush.handle == 0x0807_0605_0403_0201 && flush.lockOwner == 0x1817_1615_1413_1211)
    },
    Golden(
      .flush, minor: 6,
      """
      fh: 01 02 03 04 05 06 07 08
      flush_flags: 00 00 00 00
      padding: 00 00 00 00
      """, longerForms: [24]
    ) {
      guard case .flush(let flush) = $0 else { throw Mismatch() }
      #expect(flush.handle == 0x0807_0605_0403_0201 && flush.lockOwner == 0)
    },
    Golden(
      .getlk, minor: 8,
      """
      fh: 01 02 03 04 05 06 07 08
      owner: 11 12 13 14 15 16 17 18
      lk.start: 00 10 00 00 00 00 00 00
      lk.end: ff ff ff ff ff ff ff 7f
      lk.type: 01 00 00 00
      lk.pid: 92 10 00 00
      """, longerForms: [48]
    ) {
      guard case .getlk(let lock) = $0 else { throw Mismatch() }
      #expect(lock.lock.start == 4096 && lock.lock.processID == 4242 && lock.flags == [])
    },
    Golden(.getlk, lockDump) {
      guard case .getlk(let lock) = $0 else { throw Mismatch() }
      check(lock)
    },
    Golden(.setlk, lockDump) {
      guard case .setlk(let lock) = $0 else { throw Mismatch() }
      check(lock)
    },
    Golden(.setlkw, lockDump) {
      guard case .setlkw(let lock) = $0 else { throw Mismatch() }
      check(lock)
    },
    Golden(
      .ioctl,
      """
      fh: 01 02 03 04 05 06 07 08
      flags: 11 00 00 00
      cmd: 02 66 08 40
      arg: 00 f0 ff ff ff 7f 00 00
      in_size: 08 00 00 00
      out_size: 10 00 00 00
      input: 20 00 00 00 00 00 00 00
      """
    ) {
      guard case .ioctl(let control) = $0 else { throw Mismatch() }
      #expect(control.handle == 0x0807_0605_0403_0201 && control.flags == [.compat, .directory])
      #expect(control.command == 0x4008_6602 && control.argument == 0x7FFF_FFFF_F000)
      #expect(control.outputSize == 16)
      #expect(Array(control.input) == [0x20, 0, 0, 0, 0, 0, 0, 0])
    },
    Golden(
      .poll,
      """
      fh: 01 02 03 04 05 06 07 08
      kh: 11 12 13 14 15 16 17 18
      flags: 01 00 00 00
      events: 05 00 00 00
      """
    ) {
      guard case .poll(let poll) = $0 else { throw Mismatch() }
      #expect(poll.handle == 0x0807_0605_0403_0201)
      #expect(poll.kernelHandle == 0x1817_1615_1413_1211)
      #expect(poll.flags == .scheduleNotify && poll.events == 5)
    },
  ]
}
