import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What immutable, append-only, and synchronous files and directories allow, against the kernel's ext4.
  @Suite struct InodeFlagTests {
    private typealias Outcome = [String: CInt]

    private static func errno(_ body: () throws(Errno) -> Void) -> CInt {
      do throws(Errno) {
        try body()
        return 0
      } catch {
        return error.rawValue
      }
    }

    /// Tries everything on a file with the flag, and in a directory with it.
    private static func outcome(_ root: FilePath, flag: String) throws -> Outcome {
      let directory = root.appending("directory-\(flag)")
      let (file, other) = (directory.appending("file"), directory.appending("other"))
      try Syscall.mkdir(directory)
      try Syscall.mkdir(directory.appending("below"))
      try file.write(Array(repeating: 0x61, count: 20_000))
      try other.write("other")
      var outcome: Outcome = [:]
      func attempt(_ name: String, _ body: () throws(Errno) -> Void) {
        outcome[name] = errno(body)
      }
      try Syscall.withOpen(file, O_RDWR) { (open) throws(Errno) in
        _ = try Syscall.lstat(file)
        outcome["chattr"] = chattr("+\(flag)", file)
        let kinds: [(String, CInt)] = [
          ("reading", O_RDONLY), ("writing", O_WRONLY), ("both", O_RDWR),
          ("appending", O_WRONLY | O_APPEND), ("truncating", O_WRONLY | O_TRUNC),
          ("appending and truncating", O_WRONLY | O_APPEND | O_TRUNC),
          ("creating", O_RDWR | O_CREAT),
        ]
        for (name, flags) in kinds {
          attempt("open for \(name)") { () throws(Errno) in
            try Syscall.close(Syscall.open(file, flags))
          }
        }
        attempt("append") { () throws(Errno) in
          try Syscall.withOpen(file, O_WRONLY | O_APPEND) { (open) throws(Errno) in
            _ = try Syscall.write(open, [0x62], at: 0)
          }
        }
        attempt("overwrite") { () throws(Errno) in
          try Syscall.withOpen(file, O_WRONLY) { (open) throws(Errno) in
            _ = try Syscall.write(open, [0x62], at: 0)
          }
        }
        attempt("write to what was open") { () throws(Errno) in
          _ = try Syscall.write(open, [0x63], at: 5)
        }
        attempt("ftruncate") { () throws(Errno) in try Syscall.ftruncate(open, size: 3) }
        for (name, mode) in [("", 0), ("keep", 1), ("punch", 3), ("zero", 16)] as [(String, CInt)] {
          attempt("fallocate \(name)") { () throws(Errno) in
            try Syscall.fallocate(open, mode: mode, offset: 0, length: 4096)
          }
        }
      }
      let now = timespec(tv_sec: 0, tv_nsec: 0x3fff_ffff)
      let past = timespec(tv_sec: 1000, tv_nsec: 0)
      attempt("truncate") { () throws(Errno) in try Syscall.truncate(file, size: 3) }
      attempt("chmod") { () throws(Errno) in try Syscall.chmod(file, mode: 0o600) }
      attempt("chown") { () throws(Errno) in try Syscall.lchown(file, user: 1, group: 1) }
      attempt("touch") { () throws(Errno) in
        try Syscall.setTimes(file, access: now, modification: now)
      }
      attempt("utimes") { () throws(Errno) in
        try Syscall.setTimes(file, access: past, modification: past)
      }
      attempt("link") { () throws(Errno) in try Syscall.link(file, root.appending("link")) }
      attempt("rename") { () throws(Errno) in try Syscall.rename(file, root.appending("new")) }
      attempt("replace") { () throws(Errno) in try Syscall.rename(other, file) }
      attempt("exchange") { () throws(Errno) in try Syscall.rename(other, file, flags: 2) }
      attempt("unlink") { () throws(Errno) in try Syscall.unlink(file) }
      attempt("setxattr") { () throws(Errno) in try Syscall.setXattr(file, "user.a", [1]) }
      attempt("removexattr") { () throws(Errno) in try Syscall.removeXattr(file, "user.b") }
      outcome["chattr +d"] = chattr("+d", file)
      outcome["chattr -"] = chattr("-\(flag)", file)
      outcome["size"] = CInt(try Syscall.lstat(file).st_size)

      outcome["chattr of directory"] = chattr("+\(flag)", directory)
      attempt("create in") { () throws(Errno) in try directory.appending("new").write() }
      attempt("mkdir in") { () throws(Errno) in try Syscall.mkdir(directory.appending("newer")) }
      attempt("symlink in") { () throws(Errno) in
        try Syscall.symlink("x", directory.appending("symbolic"))
      }
      attempt("link in") { () throws(Errno) in try Syscall.link(file, directory.appending("l")) }
      attempt("unlink in") { () throws(Errno) in try Syscall.unlink(other) }
      attempt("rmdir in") { () throws(Errno) in try Syscall.rmdir(directory.appending("below")) }
      attempt("rename in") { () throws(Errno) in
        try Syscall.rename(other, directory.appending("another"))
      }
      attempt("move out") { () throws(Errno) in try Syscall.rename(other, root.appending("out")) }
      try root.appending("moved").write()
      attempt("move in") { () throws(Errno) in
        try Syscall.rename(root.appending("moved"), directory.appending("moved"))
      }
      attempt("write in") { () throws(Errno) in try file.write("x") }
      attempt("chmod of directory") { () throws(Errno) in
        try Syscall.chmod(directory, mode: 0o700)
      }
      attempt("list") { () throws(Errno) in _ = try Syscall.names(directory) }
      outcome["chattr - of directory"] = chattr("-\(flag)", directory)
      return outcome
    }

    private static func chattr(_ change: String, _ path: FilePath) -> CInt {
      let result = try? Command(["chattr", change, path.string]).run()
      return CInt(result?.status ?? -1)
    }

    /// With check_open, all is as the kernel has it; without, all but that files can be opened, and append-only ones then written anywhere.
    @Test(arguments: ["i", "a"]) func sameAsKernel(flag: String) throws {
      try Site.with { site in
        let copy = Image(existing: site.scratch.appending("copy.img"))
        try Command(["cp", "--sparse=always", site.image.path.string, copy.path.string]).succeed()
        let expected = try site.kernel { try Self.outcome($0, flag: flag) }
        #expect(expected["open for writing"] == EPERM && expected["open for reading"] == 0)
        for options in [["check_open"], []] {
          let plan = Mounted.Plan(options: options)
          let outcome = try Mounted.with(copy, at: site.point, plan) { mounted in
            let outcome = try Self.outcome(mounted.point, flag: flag)
            try Command(["rm", "-r", "directory-\(flag)"], in: mounted.point).succeed()
            _ = try Command(["rm", "-f", "moved"], in: mounted.point).run()
            return outcome
          }
          for (name, code) in expected.sorted(by: { $0.key < $1.key })
          where !options.isEmpty || !(name.hasPrefix("open for") || name == "overwrite") {
            #expect(outcome[name] == code, "\(name), \(options)")
          }
          if flag == "i" { #expect(outcome["overwrite"] == EPERM) }
        }
      }
    }

    /// Data in the journal, through the kernel's cache and around it. With fakeroot, since root may lack the capability that the flag takes.
    @Test func journaledData() throws {
      try Site.with { site in
        let bytes = SeededGenerator.bytes(3_000_001, seed: 12)
        try site.mount(options: ["fakeroot"]) { root in
          let file = root.appending("file")
          try file.write(Array(bytes.reversed()))
          try Command(["chattr", "+j", file.string]).succeed()
          #expect(try Command(["lsattr", file.string]).succeed().output.contains("j"))
          try file.write(bytes)
          try Command(
            [
              "dd", "if=/dev/zero", "of=\(file)", "bs=64k", "seek=8", "count=1", "conv=notrunc",
              "oflag=direct",
            ]
          ).succeed()
          try root.appending("other").write(bytes)
          try Command(["chattr", "+j", root.appending("other").string]).succeed()
          try Command(["chattr", "-j", root.appending("other").string]).succeed()
        }
        var expected = bytes
        expected.replaceSubrange(8 << 16..<9 << 16, with: repeatElement(0, count: 1 << 16))
        try site.kernel { root in
          let found = try root.appending("file").bytes()
          #expect(found == expected)
          let other = try root.appending("other").bytes()
          #expect(other == bytes)
        }
      }
    }

    /// Names in a directory with the flag D are on disk when they are made: the image as it is then has them.
    @Test(arguments: ["D", "S"]) func synchronousDirectories(flag: String) throws {
      try Site.with { site in
        let copy = Image(existing: site.scratch.appending("copy.img"))
        try site.mount(options: ["commit=3600"]) { root in
          try Syscall.mkdir(root.appending("directory"))
          try Command(["chattr", "+\(flag)", "directory"], in: root).succeed()
          try Syscall.mkdir(root.appending("directory/durable"))
          try Command(["cp", "--sparse=always", site.image.path.string, copy.path.string]).succeed()
        }
        // The copy's journal holds the change; a mount replays it.
        try Mounted.with(copy, at: site.point) { mounted throws in
          #expect(
            try Syscall.names(mounted.point.appending("directory")) == [Array("durable".utf8)])
        }
      }
    }
  }
}
