import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// renameat2(2) with all its flags.
  @Suite struct RenameTests {
    private static let noReplace: CUnsignedInt = 1
    private static let exchange: CUnsignedInt = 2
    private static let whiteout: CUnsignedInt = 4

    @Test func aFileReplacesAFile() throws {
      try onMount { root in
        let (old, new) = (root.appending("old"), root.appending("new"))
        try old.write("old")
        try new.write("new")
        let replaced = try Syscall.open(new, O_RDONLY)
        try Syscall.rename(old, new)
        #expect(!old.exists)
        #expect(try new.text() == "old")
        #expect(try Syscall.read(replaced, count: 9, at: 0) == Array("new".utf8))
        #expect(try Syscall.fstat(replaced).st_nlink == 0)
        try Syscall.close(replaced)
      }
    }

    @Test func twoNamesOfOneFileStayTwo() throws {
      try onMount { root in
        let (first, second) = (root.appending("first"), root.appending("second"))
        try first.write("one")
        try Syscall.link(first, second)
        try Syscall.rename(first, second)
        #expect(first.exists && second.exists)
      }
    }

    @Test func aDirectoryMovesWithWhatIsInIt() throws {
      try Site.with { site in
        try site.mount { root in
          let (a, b) = (root.appending("a"), root.appending("b"))
          try Syscall.mkdir(a)
          try Syscall.mkdir(b)
          try Syscall.mkdir(a.appending("moved"))
          try a.appending("moved/file").write("x")
          try Syscall.rename(a.appending("moved"), b.appending("here"))
          #expect(try Syscall.lstat(a).st_nlink == 2)
          #expect(try Syscall.lstat(b).st_nlink == 3)
          #expect(try b.appending("here/file").text() == "x")
          let parent = try Syscall.stat(b.appending("here/.."))
          #expect(try Syscall.stat(b).st_ino == parent.st_ino)
          #expect(throws: Errno.invalidArgument) {
            try Syscall.rename(b, b.appending("here/inside"))
          }
          #expect(throws: Errno.directoryNotEmpty) { try Syscall.rename(a, b) }
          try Syscall.rename(b, a)
          #expect(try a.appending("here/file").text() == "x")
        }
        try site.kernel { root throws in
          #expect(try root.appending("a/here/file").text() == "x")
        }
      }
    }

    @Test func noReplace() throws {
      try onMount { root in
        let (old, new) = (root.appending("old"), root.appending("new"))
        try old.write("old")
        try new.write("new")
        #expect(throws: Errno.fileExists) { try Syscall.rename(old, new, flags: Self.noReplace) }
        #expect(try new.text() == "new")
        try Syscall.unlink(new)
        try Syscall.rename(old, new, flags: Self.noReplace)
        #expect(try new.text() == "old")
        #expect(!old.exists)
      }
    }

    @Test func exchange() throws {
      try onMount { root in
        let (file, directory) = (root.appending("file"), root.appending("sub/directory"))
        try file.write("contents")
        #expect(throws: Errno.noSuchFileOrDirectory) {
          try Syscall.rename(file, root.appending("missing"), flags: Self.exchange)
        }
        try Syscall.mkdir(root.appending("sub"))
        try Syscall.mkdir(directory)
        try Syscall.mkdir(directory.appending("below"))
        let links = try Syscall.lstat(root).st_nlink
        try Syscall.rename(file, directory, flags: Self.exchange)
        #expect(try directory.text() == "contents")
        #expect(try file.names() == ["below"])
        #expect(try Syscall.lstat(root).st_nlink == links + 1)
        #expect(try Syscall.lstat(root.appending("sub")).st_nlink == 2)
        #expect(try Syscall.stat(file.appending("..")).st_ino == Syscall.stat(root).st_ino)
      }
    }

    @Test func whiteout() throws {
      try Site.with { site in
        try site.mount { root in
          let (old, new) = (root.appending("old"), root.appending("new"))
          try old.write("contents")
          try Syscall.rename(old, new, flags: Self.whiteout)
          #expect(try new.text() == "contents")
          #expect(throws: Errno.fileExists) {
            try Syscall.rename(new, old, flags: Self.whiteout | Self.noReplace)
          }
        }
        try site.kernel { root in
          let left = try Syscall.lstat(root.appending("old"))
          #expect(left.st_mode & S_IFMT == S_IFCHR)
          #expect(left.st_rdev == 0)
        }
      }
    }

    @Test func contradictoryFlags() throws {
      try onMount { root in
        let (old, new) = (root.appending("old"), root.appending("new"))
        try old.write()
        try new.write()
        for flags in [Self.noReplace | Self.exchange, Self.whiteout | Self.exchange, 8] {
          #expect(throws: Errno.invalidArgument) { try Syscall.rename(old, new, flags: flags) }
        }
      }
    }
  }
}
