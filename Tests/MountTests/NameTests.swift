import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Making, finding and removing names, and what each refuses.
  @Suite struct NameTests {
    @Test func directoriesComeAndGo() throws {
      try onMount { root in
        let directory = root.appending("directory")
        try Syscall.mkdir(directory, mode: 0o750)
        #expect(try Syscall.lstat(directory).st_mode == S_IFDIR | 0o750)
        #expect(try Syscall.lstat(directory).st_nlink == 2)
        let links = try Syscall.lstat(root).st_nlink
        try Syscall.mkdir(directory.appending("below"))
        #expect(try Syscall.lstat(directory).st_nlink == 3)
        #expect(try Syscall.lstat(root).st_nlink == links)
        #expect(throws: Errno.directoryNotEmpty) { try Syscall.rmdir(directory) }
        try Syscall.rmdir(directory.appending("below"))
        #expect(try Syscall.lstat(directory).st_nlink == 2)
        try Syscall.rmdir(directory)
        #expect(!directory.exists)
        #expect(try Syscall.lstat(root).st_nlink == links - 1)
        #expect(throws: Errno.noSuchFileOrDirectory) { try Syscall.rmdir(directory) }
      }
    }

    @Test func exclusiveCreation() throws {
      try onMount { root in
        let file = root.appending("file")
        let flags = O_RDWR | O_CREAT | O_EXCL
        try Syscall.close(try Syscall.open(file, flags, mode: 0o640))
        #expect(try Syscall.lstat(file).st_mode == S_IFREG | 0o640)
        #expect(throws: Errno.fileExists) { try Syscall.open(file, flags) }
        try Syscall.symlink("nowhere", root.appending("link"))
        #expect(throws: Errno.fileExists) { try Syscall.open(root.appending("link"), flags) }
        try Syscall.close(try Syscall.open(root.appending("link"), O_RDWR | O_CREAT))
        #expect(root.appending("nowhere").exists)
      }
    }

    @Test func everyWayToMakeANameRefusesOneThatExists() throws {
      try onMount { root in
        let (file, directory) = (root.appending("file"), root.appending("directory"))
        try file.write()
        try Syscall.mkdir(directory)
        for taken in [file, directory] {
          #expect(throws: Errno.fileExists) { try Syscall.mkdir(taken) }
          #expect(throws: Errno.fileExists) { try Syscall.symlink("x", taken) }
          #expect(throws: Errno.fileExists) { try Syscall.link(file, taken) }
          #expect(throws: Errno.fileExists) { try Syscall.mknod(taken, mode: S_IFIFO | 0o600) }
        }
      }
    }

    @Test func wrongTypes() throws {
      try onMount { root in
        let (file, directory) = (root.appending("file"), root.appending("directory"))
        try file.write()
        try Syscall.mkdir(directory)
        #expect(throws: Errno.notDirectory) { try Syscall.rmdir(file) }
        #expect(throws: Errno.isDirectory) { try Syscall.unlink(directory) }
        #expect(throws: Errno.notDirectory) { try Syscall.lstat(file.appending("x")) }
        #expect(throws: Errno.notDirectory) { try Syscall.mkdir(file.appending("x")) }
        #expect(throws: Errno.notDirectory) { try Syscall.open(file, O_RDONLY | O_DIRECTORY) }
        #expect(throws: Errno.isDirectory) { try Syscall.open(directory, O_WRONLY) }
        #expect(throws: Errno.notDirectory) { try Syscall.rename(directory, file) }
        #expect(throws: Errno.isDirectory) { try Syscall.rename(file, directory) }
        #expect(throws: Errno.notPermitted) { try Syscall.link(directory, root.appending("hard")) }
        #expect(throws: Errno.isDirectory) { try Syscall.truncate(directory, size: 0) }
      }
    }

    @Test func namesOf255BytesAndNotOneMore() throws {
      try onMount { root in
        let longest = root.appending(String(repeating: "n", count: 255))
        let tooLong = root.appending(String(repeating: "n", count: 256))
        let file = root.appending("file")
        try file.write("contents")
        try longest.write("long")
        #expect(try longest.text() == "long")
        try Syscall.unlink(longest)
        try Syscall.mkdir(longest)
        try Syscall.rmdir(longest)
        try Syscall.symlink("file", longest)
        #expect(try Syscall.readlink(longest) == Array("file".utf8))
        try Syscall.unlink(longest)
        try Syscall.rename(file, longest)
        try Syscall.rename(longest, file)

        let refused: [() throws -> Void] = [
          { _ = try Syscall.open(tooLong, O_RDWR | O_CREAT) },
          { _ = try Syscall.lstat(tooLong) },
          { try Syscall.mkdir(tooLong) },
          { try Syscall.mknod(tooLong, mode: S_IFREG | 0o600) },
          { try Syscall.mknod(tooLong, mode: S_IFIFO | 0o600) },
          { try Syscall.symlink("file", tooLong) },
          { try Syscall.link(file, tooLong) },
          { try Syscall.rename(file, tooLong) },
          { try Syscall.rename(tooLong, file) },
          { try Syscall.rename(file, tooLong, flags: 1) },
          { try Syscall.unlink(tooLong) },
          { try Syscall.rmdir(tooLong) },
        ]
        for (index, operation) in refused.enumerated() {
          #expect(throws: Errno.fileNameTooLong, "operation \(index)") { try operation() }
        }
        #expect(try root.names() == ["file", "lost+found"])
      }
    }

    @Test func namesAreBytes() throws {
      let names: [[UInt8]] = [
        [0xff, 0xfe, 0x01], Array("zażółć".utf8), Array(" leading and trailing ".utf8), [0x0a],
        Array("...".utf8), Array(repeating: 0xc3, count: 254), Array("Case".utf8),
        Array("case".utf8),
      ]
      try Site.with { site in
        let paths = try names.map { name in
          try #require(FilePath.Component(platformString: name.map { CChar(bitPattern: $0) } + [0]))
        }
        try site.mount { root in
          for (index, path) in paths.enumerated() {
            try root.appending(path).write("\(index)")
          }
        }
        func verify(_ root: FilePath) throws {
          #expect(Set(try Syscall.names(root)) == Set(names + [Array("lost+found".utf8)]))
          for (index, path) in paths.enumerated() {
            #expect(try root.appending(path).text() == "\(index)")
          }
        }
        try site.mount(verify)
        try site.kernel(verify)
      }
    }

    @Test func missingParentsAndLoops() throws {
      try onMount { root in
        let missing = root.appending("missing/name")
        #expect(throws: Errno.noSuchFileOrDirectory) { try Syscall.mkdir(missing) }
        #expect(throws: Errno.noSuchFileOrDirectory) { try missing.write() }
        try Syscall.symlink("b", root.appending("a"))
        try Syscall.symlink("a", root.appending("b"))
        #expect(throws: Errno.tooManySymbolicLinkLevels) { try root.appending("a").text() }
        #expect(throws: Errno.tooManySymbolicLinkLevels) {
          try Syscall.open(root.appending("a"), O_RDONLY | O_NOFOLLOW)
        }
      }
    }

    @Test func aDirectoryThatIsOpenOutlivesItsName() throws {
      try onMount { root in
        let directory = root.appending("directory")
        try Syscall.mkdir(directory)
        let open = try Syscall.open(directory, O_RDONLY | O_DIRECTORY)
        try Syscall.rmdir(directory)
        #expect(try Syscall.fstat(open).st_nlink == 0)
        let below = FilePath("/proc/self/fd/\(open)/name")
        #expect(throws: Errno.noSuchFileOrDirectory) { try Syscall.mkdir(below) }
        try Syscall.close(open)
      }
    }

    @Test func anotherFileSystemIsAnotherDevice() throws {
      try Site.with { site in
        try site.mount { root in
          let file = root.appending("file")
          try file.write("contents")
          let outside = site.scratch.appending("outside")
          #expect(throws: Errno.improperLink) { try Syscall.rename(file, outside) }
          #expect(throws: Errno.improperLink) { try Syscall.link(file, outside) }
          #expect(try file.text() == "contents")
        }
      }
    }

    @Test func aReadOnlyMountRefusesEveryChange() throws {
      try Site.with { site in
        try site.kernel { root in
          try root.appending("file").write("contents")
          try Syscall.mkdir(root.appending("directory"))
        }
        let before = try site.image.path.bytes()
        try site.mount(options: ["ro"]) { root throws in
          let (file, new) = (root.appending("file"), root.appending("new"))
          #expect(try file.text() == "contents")
          let refused: [() throws -> Void] = [
            { _ = try Syscall.open(file, O_RDWR) },
            { _ = try Syscall.open(file, O_RDONLY | O_TRUNC) },
            { try new.write() },
            { try Syscall.mkdir(new) },
            { try Syscall.mknod(new, mode: S_IFIFO | 0o600) },
            { try Syscall.symlink("x", new) },
            { try Syscall.link(file, new) },
            { try Syscall.rename(file, new) },
            { try Syscall.unlink(file) },
            { try Syscall.rmdir(root.appending("directory")) },
            { try Syscall.chmod(file, mode: 0o600) },
            { try Syscall.lchown(file, user: 1, group: 1) },
            { try Syscall.truncate(file, size: 0) },
            { try Syscall.setTimes(file, access: timespec(), modification: timespec()) },
            { try Syscall.setXattr(file, "user.a", [1]) },
            { try Syscall.removeXattr(file, "user.a") },
            { try Syscall.access(file, mode: W_OK) },
          ]
          for (index, operation) in refused.enumerated() {
            #expect(throws: Errno.readOnlyFileSystem, "operation \(index)") { try operation() }
          }
        }
        #expect(try site.image.path.bytes() == before, "a read-only mount changed the image")
      }
    }
  }
}
