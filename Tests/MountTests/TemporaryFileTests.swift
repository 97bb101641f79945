import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Files that are made without a name (O_TMPFILE).
  @Suite struct TemporaryFileTests {
    private func make(_ directory: FilePath, _ flags: CInt = 0) throws(Errno) -> CInt {
      try Syscall.open(directory, Syscall.temporaryFileFlag | O_RDWR | flags, mode: 0o666)
    }

    @Test func modesAndListsAsTheKernelHasThem() throws {
      func modes(_ root: FilePath) throws -> [String] {
        let before = umask(0o027)
        defer { umask(before) }
        let directory = root.appending("directory")
        try Syscall.mkdir(directory)
        try Command(["setfacl", "-d", "-m", "u:5:rwx,g::r-x,o::---", directory.string]).succeed()
        return try [root, directory].map { place in
          let file = try make(place)
          defer { close(file) }
          try Syscall.link(file, as: place.appending("named"))
          let mode = try Syscall.fstat(file).st_mode
          return String(mode, radix: 8)
            + (try Command(["getfacl", "-cn", place.appending("named").string]).succeed().output)
        }
      }
      try Site.with { site in
        let ours = try site.mount { root throws in try modes(root) }
        try Site.with { other throws in
          let right = try other.kernel { root throws in try modes(root) }
          #expect(ours == right)
        }
      }
    }

    @Test func getsAName() throws {
      try Site.with { site in
        try site.mount { root throws in
          let file = try make(root)
          #expect(try Syscall.fstat(file).st_nlink == 0)
          #expect(try root.names() == ["lost+found"])
          try Syscall.write(file, Array("contents".utf8), at: 0)
          try Syscall.link(file, as: root.appending("named"))
          #expect(try Syscall.fstat(file).st_nlink == 1)
          #expect(try root.appending("named").text() == "contents")
          #expect(throws: Errno.fileExists) { try Syscall.link(file, as: root.appending("named")) }
          try Syscall.link(file, as: root.appending("second"))
          try Syscall.close(file)
          try Syscall.unlink(root.appending("named"))
          #expect(try root.appending("second").text() == "contents")
        }
        try site.kernel { root throws in
          #expect(try root.appending("second").text() == "contents")
          #expect(try Syscall.lstat(root.appending("second")).st_nlink == 1)
        }
      }
    }

    @Test func withExclusiveItGetsNone() throws {
      try onMount { root throws in
        let file = try make(root, O_EXCL)
        #expect(throws: Errno.noSuchFileOrDirectory) {
          try Syscall.link(file, as: root.appending("named"))
        }
        try Syscall.close(file)
        #expect(throws: Errno.notDirectory) {
          try root.appending("file").write()
          _ = try make(root.appending("file"))
        }
      }
    }

    /// The last close frees it, and a mount after a crash.
    @Test func goesByItself() throws {
      try Site.with { site in
        func free() throws -> Int {
          Int(try Syscall.withOpen(site.point, O_RDONLY, Syscall.fstatvfs).f_bfree)
        }
        let before = try site.mount { root throws in
          let before = try free()
          let file = try make(root)
          try Syscall.write(file, [UInt8](repeating: 1, count: 1 << 20), at: 0)
          try Syscall.fsync(file)
          #expect(before - (try free()) >= 256)
          try Syscall.close(file)
          let deadline = Moment.now.seconds + 20
          while try free() != before, Moment.now.seconds < deadline { usleep(20_000) }
          #expect(try free() == before)
          return before
        }
        let crashed = try Mounted(site.image.path, at: site.point)
        let file = try make(site.point)
        try Syscall.write(file, [UInt8](repeating: 1, count: 1 << 20), at: 0)
        try Syscall.fsync(file)
        Daemon.kill(at: site.point)
        close(file)
        try Mounted.waitForEnd(of: crashed.source)
        try Command(["umount", site.point.string]).succeed()
        try site.mount { _ throws in #expect(try free() == before) }
      }
    }
  }
}
