import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// The shutdown ioctl in its three modes.
  @Suite struct ShutdownTests {
    private enum Mode: UInt32, CaseIterable {
      case afterEverything, afterCommit, atOnce
    }

    private func shutDown(_ root: FilePath, _ mode: UInt32) throws {
      try Syscall.withOpen(root, O_RDONLY) { (open) throws(Errno) in
        _ = try Syscall.control(open, 0x8004_587D, mode)
      }
    }

    private func expectNothingChanges(_ root: FilePath, _ open: CInt) throws {
      let file = root.appending("synced")
      #expect(throws: Errno.ioError) { try Syscall.write(open, [1, 2, 3], at: 0) }
      #expect(throws: Errno.ioError) { try Syscall.fsync(open) }
      #expect(throws: Errno.ioError) { try root.appending("new").write() }
      #expect(throws: Errno.ioError) { try Syscall.mkdir(root.appending("new")) }
      #expect(throws: Errno.ioError) { try Syscall.unlink(file) }
      #expect(throws: Errno.ioError) { try Syscall.rename(file, root.appending("new")) }
      #expect(throws: Errno.ioError) { try Syscall.chmod(file, mode: 0o600) }
      #expect(throws: Errno.ioError) { try Syscall.setXattr(file, "user.a", [1]) }
      #expect(throws: Errno.ioError) { try Syscall.truncate(file, size: 1) }
      // As in ext4, what is known may be looked at, and another shutdown does nothing.
      #expect(try Syscall.lstat(file).st_size == 4)
      #expect(try root.names().contains("synced"))
      try shutDown(root, Mode.atOnce.rawValue)
    }

    @Test(arguments: [UInt32](0...2), [[], ["^has_journal"]])
    func endsWriting(mode: UInt32, features: [String]) throws {
      let hasJournal = features.isEmpty
      try Site.with(features: features) { site throws in
        // A confined daemon does not see the mode.
        let options = ["commit=3000", "errors=panic", "sandbox=off"]
        try site.mount(Mounted.Plan(options: options, check: false)) { root in
          try root.appending("synced").write("safe")
          try Syscall.withOpen(root.appending("synced"), O_RDONLY, Syscall.fsync)
          let open = try Syscall.open(root.appending("synced"), O_RDWR)
          defer { close(open) }
          try Syscall.mkdir(root.appending("later"))
          if mode != Mode.atOnce.rawValue { try root.appending("later/file").write("also") }
          try shutDown(root, mode)
          try expectNothingChanges(root, open)
        }
        let needsRecovery = try site.image.superblock("Filesystem features").contains(
          "needs_recovery")
        #expect(needsRecovery == (hasJournal && mode != Mode.afterEverything.rawValue))
        if mode == Mode.afterEverything.rawValue { try site.image.check() }
        guard hasJournal || mode == Mode.afterEverything.rawValue else { return }
        try site.mount { root throws in
          #expect(try root.appending("synced").text() == "safe")
          #expect(root.appending("later").exists == (mode != Mode.atOnce.rawValue))
          // The commit takes along what has reached the daemon; the kernel's cache is lost with it.
          if mode == Mode.afterEverything.rawValue {
            #expect(try root.appending("later/file").text() == "also")
          }
        }
      }
    }

    @Test func anUnknownModeIsRefused() throws {
      try onMount(mount: ["sandbox=off"]) { root throws in
        #expect(throws: Errno.invalidArgument) { try shutDown(root, 3) }
        try root.appending("file").write("still works")
      }
    }

    /// Nor does one that has given up looking into other processes.
    @Test func aConfinedDaemonWritesEverything() throws {
      try Site.with { site throws in
        try site.mount(options: ["commit=3000"]) { root throws in
          try root.appending("file").write("contents")
          try shutDown(root, Mode.atOnce.rawValue)
          #expect(throws: Errno.ioError) { try Syscall.mkdir(root.appending("new")) }
        }
        try site.kernel { root throws in #expect(try root.appending("file").text() == "contents") }
      }
    }

    /// A daemon that may not look into the caller's memory does not see the mode, and loses nothing.
    @Test func aDaemonThatCannotSeeTheMode() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site throws in
        try Syscall.lchown(site.image.path, user: user.uid, group: user.gid)
        try site.mount(Mounted.Plan(options: ["allow_other", "commit=3000"], user: user)) {
          root throws in
          try Syscall.chmod(root, mode: 0o777)
          try root.appending("file").write("contents")
          try shutDown(root, Mode.atOnce.rawValue)
          #expect(throws: Errno.ioError) { try Syscall.mkdir(root.appending("new")) }
        }
        try site.kernel { root throws in #expect(try root.appending("file").text() == "contents") }
      }
    }
  }
}
