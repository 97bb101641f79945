import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// From the command to the last write.
  @Suite struct LifecycleTests {
    /// No waiting, no retry: what is mounted is usable when the command returns.
    @Test func theCommandReturnsWhenTheMountIsUsable() throws {
      try Site.with { site in
        let script = """
          for round in 1 2 3 4 5; do
            '\(try Daemon.binary.get())' '\(site.image.path)' '\(site.point)'
            mkdir '\(site.point)'/round$round
            umount '\(site.point)'
            flock '\(site.image.path)' true
            e2fsck -fn '\(site.image.path)' > /dev/null 2>&1
          done
          """
        try Command(shell: script, timeout: 120).succeed()
        try site.kernel { root throws in
          #expect(try root.names().filter { $0.hasPrefix("round") }.count == 5)
        }
      }
    }

    /// A caller that reads the command's output gets the end of it, not the daemon's life time.
    @Test func theDaemonLetsGoOfTheTerminal() throws {
      try Site.with { site in
        let script = "'\(try Daemon.binary.get())' '\(site.image.path)' '\(site.point)' 2>&1 | cat"
        try Command(["sh", "-c", script], timeout: 20).succeed()
        let process = try #require(Daemon.processes(at: site.point).first)
        for descriptor in 0...2 {
          let target = try Syscall.readlink(FilePath("/proc/\(process)/fd/\(descriptor)"))
          #expect(String(decoding: target, as: UTF8.self) == "/dev/null")
        }
        let directory = try Syscall.readlink(FilePath("/proc/\(process)/cwd"))
        #expect(String(decoding: directory, as: UTF8.self) == "/")
        try Command(["umount", site.point.string]).succeed()
        try Mounted.waitForEnd(of: site.image.path)
      }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func signalsUnmount(signal: CInt) throws {
      try Site.with { site in
        let mounted = try Mounted(site.image.path, at: site.point)
        try site.point.appending("file").write([UInt8](repeating: 1, count: 1 << 20))
        Daemon.kill(at: site.point, signal: signal)
        try Mounted.waitForEnd(of: mounted.source)
        #expect(MountTable.entry(at: site.point) == nil)
        #expect(Daemon.processes(at: site.point).isEmpty)
        try site.image.check()
        try site.kernel { root throws in
          #expect(try Syscall.lstat(root.appending("file")).st_size == 1 << 20)
        }
      }
    }

    @Test(arguments: [["umount"], ["fusermount3", "-u"], ["fusermount3", "-u", "-z"]])
    func unmounting(command: [String]) throws {
      try Site.with { site in
        let mounted = try Mounted(site.image.path, at: site.point)
        try site.point.appending("file").write("x")
        try Command(command + [site.point.string]).succeed()
        try Mounted.waitForEnd(of: mounted.source)
        #expect(MountTable.entry(at: site.point) == nil)
        try site.image.check()
        try site.kernel { root in #expect(root.appending("file").exists) }
      }
    }

    @Test func aBusyMountStays() throws {
      try onMount { root in
        let open = try Syscall.open(root.appending("file"), O_RDWR | O_CREAT)
        #expect(try !Command(["umount", root.string]).run().succeeded)
        try Syscall.write(open, [1], at: 0)
        try Syscall.close(open)
      }
    }

    @Test func inTheForeground() throws {
      try Site.with { site in
        let fuse4fs = try Daemon.binary.get()
        let script = """
          '\(fuse4fs)' -f '\(site.image.path)' '\(site.point)' & daemon=$!
          until mountpoint -q '\(site.point)'; do sleep 0.05; done
          echo x > '\(site.point)'/file
          kill -TERM $daemon; wait $daemon; echo "exit $?"
          """
        let run = try Command(shell: script, timeout: 20).succeed()
        #expect(run.text == "exit 0", "\(run.description)")
        #expect(MountTable.entry(at: site.point) == nil)
        try site.image.check()
      }
    }

    @Test func aSingleThread() throws {
      try Site.with { site in
        try site.mount(Mounted.Plan(arguments: ["-s"])) { root in
          try root.appending("file").write("x")
          #expect(try root.appending("file").text() == "x")
        }
      }
    }

    /// Root's mounts may keep more than a hundredth of all dirty pages, and read further ahead; others stay as the kernel makes them.
    @Test(.enabled(if: access("/sys/class/bdi", W_OK) == 0))
    func cachesOfTheKernel() throws {
      func limits(_ root: FilePath) throws -> [String] {
        let device = try Syscall.lstat(root).st_dev
        let directory = FilePath("/sys/class/bdi/\(device >> 8 & 0xFFF):\(device & 0xFF)")
        return try ["max_ratio", "read_ahead_kb"].map {
          try directory.appending($0).text().trimmingCharacters(in: .whitespacesAndNewlines)
        }
      }
      try Site.with { site in
        let own = try site.mount { try limits($0) }
        #expect(own == ["12", "4096"])
      }
      let user = try TestUser.other.get()
      try Site.with(owner: user) { site in
        let others = try site.mount(Mounted.Plan(options: ["allow_other"], user: user)) {
          try limits($0)
        }
        #expect(others == ["1", "128"])
      }
    }

    @Test func mountPointsThatAreNone() throws {
      try Site.with { site in
        try site.scratch.appending("file").write()
        for name in ["missing", "file"] {
          let refused = try Mounted.attempt(site.image.path, at: site.scratch.appending(name))
          #expect([1, 32].contains(refused.status))
          #expect(refused.errors.contains(name), "\(refused.errors)")
        }
        #expect(Daemon.processes(at: site.scratch.appending("file")).isEmpty)
      }
    }

    /// The daemon is killed: calls on the mount get ENOTCONN, and the image can be repaired.
    @Test func aKilledDaemonLeavesACheckableImage() throws {
      try Site.with { site in
        let mounted = try Mounted(site.image.path, at: site.point)
        let root = site.point
        try Syscall.mkdir(root.appending("kept"))
        for index in 0..<200 { try root.appending("kept/\(index)").write("contents \(index)") }
        let open = try Syscall.open(root.appending("kept/0"), O_RDWR)
        try Syscall.fsync(open)
        Daemon.kill(at: root)
        try Mounted.waitForEnd(of: mounted.source)
        // What the kernel has cached it may still show.
        #expect(throws: Errno.socketNotConnected) { try Syscall.lstat(root.appending("new")) }
        #expect(throws: Errno.socketNotConnected) { try Syscall.mkdir(root.appending("new")) }
        #expect(throws: Errno.socketNotConnected) { _ = try Syscall.fstatvfs(open) }
        #expect(throws: Errno.socketNotConnected) { try Syscall.ftruncate(open, size: 0) }
        try? Syscall.close(open)
        try Command(["umount", root.string]).succeed()

        let repair = try Command(["e2fsck", "-fy", site.image.path.string]).run()
        #expect(repair.status <= 1, "\(repair.description)")
        try site.image.check()
        try site.kernel { root throws in
          #expect(try root.appending("kept/0").text() == "contents 0", "it was synchronized")
        }
      }
    }

    /// Files without names that were open when the daemon died are on the orphan list, or e2fsck
    /// finds them some other way: their space is free again.
    @Test func orphansOfAKilledDaemonAreFreed() throws {
      try Site.with { site in
        let free = try site.image.superblock("Free blocks")
        let mounted = try Mounted(site.image.path, at: site.point)
        var open: [CInt] = []
        for index in 0..<5 {
          let file = site.point.appending("file-\(index)")
          try file.write([UInt8](repeating: 1, count: 1 << 20))
          open.append(try Syscall.open(file, O_RDWR))
          try Syscall.fsync(open[index])
          try Syscall.unlink(file)
        }
        try Syscall.withOpen(site.point, O_RDONLY | O_DIRECTORY, Syscall.fsync)
        try Syscall.withOpen(site.point.appending("last"), O_RDWR | O_CREAT, Syscall.fsync)
        Daemon.kill(at: site.point)
        try Mounted.waitForEnd(of: mounted.source)
        for file in open { try? Syscall.close(file) }
        try Command(["umount", site.point.string]).succeed()
        let repair = try Command(["e2fsck", "-fy", site.image.path.string]).run()
        #expect(repair.status <= 1, "\(repair.description)")
        try site.kernel { root in try Syscall.unlink(root.appending("last")) }
        #expect(try site.image.superblock("Free blocks") == free)
      }
    }

    /// Orphans that another implementation left on the list are freed by the next writable mount.
    @Test func orphansAreFreedWhenMounting() throws {
      try Site.with(features: ["^has_journal", "^metadata_csum"]) { site in
        let free = try site.image.superblock("Free blocks")
        try site.kernel { root in
          try root.appending("file").write([UInt8](repeating: 1, count: 1 << 20))
        }
        let status = try site.image.debugfs("stat /file")
        let inode = try #require(status.firstMatch(of: /Inode: (\d+)/)?.1)
        for request in [
          "unlink /file", "set_inode_field <\(inode)> links_count 0",
          "set_super_value last_orphan \(inode)",
        ] {
          try site.image.debugfs(request, write: true)
        }
        try site.mount { root in #expect(!root.appending("file").exists) }
        #expect(try site.image.superblock("Free blocks") == free)
      }
    }
  }
}
