import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Hard links, symbolic links, and special files.
  @Suite struct LinkTests {
    @Test func hardLinksCount() throws {
      try onMount { root in
        let (first, second) = (root.appending("first"), root.appending("second"))
        try first.write("shared")
        try Syscall.link(first, second)
        #expect(try Syscall.lstat(first).st_nlink == 2)
        #expect(try Syscall.lstat(first).st_ino == Syscall.lstat(second).st_ino)
        try Syscall.unlink(first)
        #expect(try second.text() == "shared")
        #expect(try Syscall.lstat(second).st_nlink == 1)
        try Syscall.symlink("nowhere", root.appending("symbolic"))
        try Syscall.link(root.appending("symbolic"), root.appending("another"))
        #expect(try Syscall.lstat(root.appending("another")).st_nlink == 2)
      }
    }

    /// EXT4_LINK_MAX is 65,000.
    @Test func tooManyLinks() throws {
      try onMount(size: "128M") { root in
        let file = root.appending("file")
        try file.write("contents")
        for index in 1..<65_000 { try Syscall.link(file, root.appending("\(index)")) }
        #expect(try Syscall.lstat(file).st_nlink == 65_000)
        #expect(throws: Errno.tooManyLinks) { try Syscall.link(file, root.appending("more")) }
        try Syscall.unlink(root.appending("1"))
        try Syscall.link(file, root.appending("more"))
      }
    }

    /// Up to 59 bytes are kept in the inode, up to one block less a byte elsewhere.
    @Test(arguments: [1, 59, 60, 61, 1023, 4095])
    func symbolicLinks(length: Int) throws {
      let target = String(repeating: "t", count: length)
      try Site.with { site in
        try site.mount { root in
          try Syscall.symlink(FilePath(target), root.appending("link"))
          #expect(try Syscall.lstat(root.appending("link")).st_size == length)
          #expect(try Syscall.lstat(root.appending("link")).st_mode == S_IFLNK | 0o777)
          #expect(try Syscall.readlink(root.appending("link")) == Array(target.utf8))
        }
        try site.kernel { root throws in
          #expect(try Syscall.readlink(root.appending("link")) == Array(target.utf8))
        }
      }
    }

    @Test func targetsThatDoNotFit() throws {
      try onMount(blockSize: 1024) { root in
        let fits = FilePath(String(repeating: "t", count: 1023))
        let tooLong = FilePath(String(repeating: "t", count: 1024))
        try Syscall.symlink(fits, root.appending("fits"))
        #expect(throws: Errno.fileNameTooLong) {
          try Syscall.symlink(tooLong, root.appending("long"))
        }
        #expect(!root.appending("long").exists)
        #expect(throws: Errno.invalidArgument) { try Syscall.readlink(root) }
      }
    }

    @Test func nodesOfAllTypes() throws {
      let nodes: [(name: String, type: mode_t, device: dev_t)] = [
        ("regular", S_IFREG, 0), ("fifo", S_IFIFO, 0), ("socket", S_IFSOCK, 0),
        ("null", S_IFCHR, Syscall.device(major: 1, minor: 3)),
        ("old", S_IFBLK, Syscall.device(major: 255, minor: 255)),
        ("minor", S_IFBLK, Syscall.device(major: 8, minor: 1_048_575)),
        ("major", S_IFCHR, Syscall.device(major: 4095, minor: 1)),
      ]
      try Site.with { site in
        func verify(_ root: FilePath) throws {
          for node in nodes {
            let status = try Syscall.lstat(root.appending(node.name))
            #expect(status.st_mode == node.type | 0o640, "\(node.name)")
            #expect(status.st_rdev == node.device, "\(node.name)")
            #expect(status.st_size == 0 && status.st_blocks == 0 && status.st_nlink == 1)
          }
        }
        try site.mount { root in
          for node in nodes {
            try Syscall.mknod(
              root.appending(node.name), mode: node.type | 0o640, device: node.device)
          }
          try verify(root)
        }
        try site.mount(verify)
        try site.kernel(verify)
      }
    }

    @Test func deviceNodesWorkWhenAskedFor() throws {
      try Site.with { site in
        try site.mount(options: ["dev"]) { root in
          let null = root.appending("null")
          try Syscall.mknod(null, mode: S_IFCHR | 0o666, device: Syscall.device(major: 1, minor: 3))
          #expect(try null.bytes().isEmpty)
        }
        try site.mount(options: ["nodev"]) { root in
          #expect(throws: Errno.permissionDenied) { try root.appending("null").bytes() }
        }
      }
    }

    @Test func aFifoConnectsTwoProcesses() throws {
      try onMount { root throws in
        let script = "mkfifo fifo; echo through > fifo & cat fifo; wait"
        #expect(try Command(shell: script, in: root).succeed().text == "through")
      }
    }
  }
}
