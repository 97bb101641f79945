import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What chmod, chown, utimensat and chattr set, and what other calls change on the way.
  @Suite struct AttributeTests {
    @Test func modesAndOwners() throws {
      try Site.with { site in
        try site.mount { root in
          let file = root.appending("file")
          try file.write("x")
          try Syscall.chmod(file, mode: 0o6755)
          #expect(try Syscall.lstat(file).st_mode == S_IFREG | 0o6755)
          try Syscall.lchown(file, user: 70_000, group: 1_000_000)
          let status = try Syscall.lstat(file)
          #expect(status.st_uid == 70_000 && status.st_gid == 1_000_000)
          #expect(status.st_mode == S_IFREG | 0o755, "a new owner gets no set-user-ID program")
          try Syscall.lchown(file, user: .max, group: 5)
          #expect(try Syscall.lstat(file).st_uid == 70_000)
          #expect(try Syscall.lstat(file).st_gid == 5)
          try Syscall.symlink("file", root.appending("link"))
          try Syscall.lchown(root.appending("link"), user: 7, group: 8)
          #expect(try Syscall.lstat(root.appending("link")).st_uid == 7)
        }
        try site.kernel { root in
          let status = try Syscall.lstat(root.appending("file"))
          #expect(status.st_uid == 70_000 && status.st_gid == 5)
        }
      }
    }

    @Test func aSetGroupDirectoryPassesItsGroupOn() throws {
      try onMount { root in
        let directory = root.appending("shared")
        try Syscall.mkdir(directory)
        try Syscall.lchown(directory, user: 1, group: 4242)
        try Syscall.chmod(directory, mode: 0o2775)
        try directory.appending("file").write()
        try Syscall.mkdir(directory.appending("below"))
        #expect(try Syscall.lstat(directory.appending("file")).st_gid == 4242)
        let below = try Syscall.lstat(directory.appending("below"))
        #expect(below.st_gid == 4242 && below.st_mode & S_ISGID != 0)
      }
    }

    /// Seconds have 34 bits in 256-byte inodes: 1901 to 2446; e2fsck
    /// doubts those after 2310.
    @Test(arguments: [
      1 - (1 << 31), -1, 0, 1_234_567_890, 1 << 31, 1 << 32, 1 << 33,
    ])
    func timesToTheNanosecond(seconds: Int) throws {
      let access = Moment(seconds: seconds, nanoseconds: 999_999_999)
      let modification = Moment(seconds: seconds, nanoseconds: 1)
      try Site.with { site in
        func verify(_ root: FilePath) throws {
          let status = try Syscall.lstat(root.appending("file"))
          #expect(Moment(status.st_atim) == access)
          #expect(Moment(status.st_mtim) == modification)
        }
        try site.mount(options: ["noatime"]) { root in
          try root.appending("file").write("x")
          try Syscall.setTimes(
            root.appending("file"), access: access.value, modification: modification.value)
          try verify(root)
        }
        try site.mount(options: ["noatime"], verify)
        try site.kernel(verify)
      }
    }

    @Test func timesNowAndUnchanged() throws {
      try onMount(mount: ["noatime"]) { root in
        let file = root.appending("file")
        try file.write()
        let past = timespec(tv_sec: 1000, tv_nsec: 5)
        let now = timespec(tv_sec: 0, tv_nsec: 0x3fff_ffff)
        let unchanged = timespec(tv_sec: 0, tv_nsec: 0x3fff_fffe)
        try Syscall.setTimes(file, access: past, modification: past)
        try Syscall.setTimes(file, access: unchanged, modification: now)
        let status = try Syscall.lstat(file)
        #expect(Moment(status.st_atim) == Moment(past))
        #expect(abs(status.st_mtim.tv_sec - Moment.now.seconds) < 60)
        try Syscall.setTimes(file, access: now, modification: unchanged)
        #expect(Moment(try Syscall.lstat(file).st_mtim) == Moment(status.st_mtim))
        #expect(abs(try Syscall.lstat(file).st_atim.tv_sec - Moment.now.seconds) < 60)
      }
    }

    /// Each change of a kind moves the times that POSIX says, and no others.
    @Test func whatMovesWhichTime() throws {
      try onMount(mount: ["noatime"]) { root in
        let file = root.appending("file")
        try file.write("x")
        let past = Moment(seconds: 1000, nanoseconds: 5)
        let changes: [(name: String, movesModification: Bool, () throws -> Void)] = [
          ("write", true, { try file.write("y") }),
          ("truncate", true, { try Syscall.truncate(file, size: 100) }),
          ("chmod", false, { try Syscall.chmod(file, mode: 0o600) }),
          ("chown", false, { try Syscall.lchown(file, user: 1, group: 1) }),
          ("link", false, { try Syscall.link(file, root.appending("link")) }),
          ("unlink", false, { try Syscall.unlink(root.appending("link")) }),
          (
            "rename", false,
            {
              try Syscall.rename(file, root.appending("b"))
              try Syscall.rename(root.appending("b"), file)
            }
          ),
          ("setxattr", false, { try Syscall.setXattr(file, "user.a", [1]) }),
        ]
        for (name, movesModification, change) in changes {
          try Syscall.setTimes(file, access: past.value, modification: past.value)
          let before = Moment(try Syscall.lstat(file).st_ctim)
          usleep(20_000)
          try change()
          let status = try Syscall.lstat(file)
          #expect(Moment(status.st_ctim) > before, "\(name) moves ctime")
          #expect((Moment(status.st_mtim) != past) == movesModification, "\(name) and mtime")
          #expect(Moment(status.st_atim) == past, "\(name) leaves atime")
        }
        let directory = root.appending("directory")
        try Syscall.mkdir(directory)
        try Syscall.setTimes(directory, access: past.value, modification: past.value)
        try directory.appending("name").write()
        #expect(Moment(try Syscall.lstat(directory).st_mtim) != past)
      }
    }

    /// What the kernel has cached it gives out without asking, so each read is the first of its mount.
    @Test(arguments: [("noatime", false), ("strictatime", true), ("relatime", true)])
    func accessTimes(option: String, moves: Bool) throws {
      let past = Moment(seconds: 1_000_000, nanoseconds: 5)
      try Site.with { site in
        let file = site.point.appending("file")
        try site.mount { _ in
          try file.write("x")
          try Syscall.setTimes(file, access: past.value, modification: Moment.now.value)
        }
        try site.mount(options: [option]) { _ throws in
          #expect(try file.text() == "x")
          #expect((Moment(try Syscall.lstat(file).st_atim) != past) == moves)
        }
        try site.kernel { _ throws in
          #expect((Moment(try Syscall.lstat(file).st_atim) != past) == moves)
        }
      }
    }

    @Test func birthTimeIsThatOfTheCreation() throws {
      try Site.with { site in
        let start = Moment.now
        let born = try site.mount { root in
          let file = root.appending("file")
          try file.write("x")
          let born = Moment(try Syscall.birthTime(file))
          // The kernel's clock of files may lag by a tick.
          #expect(abs(born.seconds - start.seconds) <= 5)
          usleep(50_000)
          try Syscall.chmod(file, mode: 0o600)
          try file.write("y")
          #expect(Moment(try Syscall.birthTime(file)) == born)
          return born
        }
        try site.kernel { root throws in
          #expect(Moment(try Syscall.birthTime(root.appending("file"))) == born)
        }
      }
    }

    @Test func inodeFlags() throws {
      let (noDump, noAccessTime): (UInt32, UInt32) = (0x40, 0x80)
      try Site.with { site in
        try site.mount { root in
          let file = root.appending("file")
          try file.write()
          try Syscall.withOpen(file, O_RDWR) { (open) throws(Errno) in
            let flags = try Syscall.flags(open)
            try Syscall.setFlags(open, flags | noDump)
          }
          let flags = try Syscall.withOpen(file, O_RDONLY, Syscall.flags)
          #expect(flags & (noDump | noAccessTime) == noDump)
          #expect(try Command(["lsattr", "file"], in: root).succeed().output.contains("d"))
        }
        try site.kernel { root in
          let flags = try Syscall.withOpen(root.appending("file"), O_RDONLY, Syscall.flags)
          #expect(flags & (noDump | noAccessTime) == noDump)
        }
      }
    }

    @Test func whatIsImmutableStays() throws {
      try onMount { root in
        let file = root.appending("file")
        try file.write("contents")
        try Command(["chattr", "+i", "file"], in: root).succeed()
        #expect(throws: Errno.notPermitted) { try file.write("other") }
        #expect(throws: Errno.notPermitted) { try Syscall.unlink(file) }
        #expect(throws: Errno.notPermitted) { try Syscall.rename(file, root.appending("b")) }
        #expect(throws: Errno.notPermitted) { try Syscall.chmod(file, mode: 0o600) }
        #expect(throws: Errno.notPermitted) { try Syscall.link(file, root.appending("b")) }
        try Command(["chattr", "-i", "+a", "file"], in: root).succeed()
        // Opening it is not refused, since the kernel does not ask the server about it.
        #expect(throws: Errno.notPermitted) { try Syscall.truncate(file, size: 0) }
        #expect(throws: Errno.notPermitted) { try Syscall.unlink(file) }
        try Syscall.withOpen(file, O_WRONLY | O_APPEND) { (open) throws(Errno) in
          _ = try Syscall.write(open, [0x21], at: 0)
        }
        #expect(try file.text() == "contents!")
        try Command(["chattr", "-a", "file"], in: root).succeed()
        try Syscall.unlink(file)
      }
    }

    @Test func statfsTellsWhatIsThere() throws {
      try onMount { root in
        func status() throws -> statvfs {
          try Syscall.withOpen(root, O_RDONLY | O_DIRECTORY, Syscall.fstatvfs)
        }
        let before = try status()
        #expect(before.f_bsize == 4096 && before.f_namemax == 255)
        #expect(before.f_blocks > 10_000 && before.f_blocks < 16_384)
        #expect(before.f_bavail < before.f_bfree, "some is kept for root")
        try root.appending("file").write([UInt8](repeating: 1, count: 4 << 20))
        try Syscall.withOpen(root.appending("file"), O_RDONLY, Syscall.fsync)
        let after = try status()
        #expect(before.f_ffree - after.f_ffree == 1)
        #expect((1024...1030).contains(before.f_bfree - after.f_bfree))
      }
    }
  }
}
