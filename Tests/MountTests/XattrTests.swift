import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Extended attributes and access control lists.
  @Suite struct XattrTests {
    private static let create: CInt = 1
    private static let replace: CInt = 2

    @Test func namespaces() throws {
      try Site.with { site in
        let values: [String: [UInt8]] = [
          "user.mime_type": Array("text/plain".utf8), "user.empty": [],
          "trusted.overlay.opaque": [0x79], "security.label": [0, 1, 2, 0xff, 0],
        ]
        func verify(_ root: FilePath) throws {
          let file = root.appending("file")
          #expect(try Syscall.xattrNames(file) == values.keys.sorted())
          for (name, value) in values {
            #expect(try Syscall.xattr(file, name) == value)
            #expect(try Syscall.xattrSize(file, name) == value.count)
          }
        }
        try site.mount { root in
          try root.appending("file").write("x")
          for (name, value) in values {
            try Syscall.setXattr(root.appending("file"), name, value)
          }
          try verify(root)
        }
        try site.mount(verify)
        try site.kernel(verify)
      }
    }

    @Test func createAndReplace() throws {
      try onMount { root in
        let file = root.appending("file")
        try file.write()
        #expect(throws: Errno.noData) {
          try Syscall.setXattr(file, "user.a", [1], flags: Self.replace)
        }
        try Syscall.setXattr(file, "user.a", [1], flags: Self.create)
        #expect(throws: Errno.fileExists) {
          try Syscall.setXattr(file, "user.a", [2], flags: Self.create)
        }
        #expect(try Syscall.xattr(file, "user.a") == [1])
        try Syscall.setXattr(file, "user.a", [3], flags: Self.replace)
        #expect(try Syscall.xattr(file, "user.a") == [3])
        try Syscall.removeXattr(file, "user.a")
        #expect(throws: Errno.noData) { try Syscall.xattr(file, "user.a") }
        #expect(throws: Errno.noData) { try Syscall.removeXattr(file, "user.a") }
        #expect(try Syscall.xattrNames(file).isEmpty)
      }
    }

    @Test func whatIsRefused() throws {
      try onMount { root in
        let file = root.appending("file")
        try file.write()
        #expect(throws: Errno.notSupported) { try Syscall.setXattr(file, "nonsense.a", [1]) }
        #expect(throws: Errno.notSupported) { try Syscall.xattr(file, "nonsense.a") }
        #expect(throws: Errno.invalidArgument) { try Syscall.setXattr(file, "user.", [1]) }
        let longest = "user." + String(repeating: "n", count: 250)
        try Syscall.setXattr(file, longest, [1])
        #expect(throws: Errno.outOfRange) { try Syscall.setXattr(file, longest + "n", [1]) }
        let value = [UInt8](repeating: 1, count: 65_537)
        #expect(throws: Errno(rawValue: E2BIG)) { try Syscall.setXattr(file, "user.b", value) }
        #expect(throws: Errno.noSpace) {
          try Syscall.setXattr(file, "user.b", Array(value.dropLast(60_000)))
        }
        #expect(try Syscall.xattrNames(file) == [longest])
        try Syscall.symlink("file", root.appending("link"))
        #expect(throws: Errno.notPermitted) {
          try Syscall.setXattr(root.appending("link"), "user.a", [1])
        }
        try Syscall.setXattr(root.appending("link"), "trusted.a", [1])
        #expect(try Syscall.xattr(root.appending("link"), "trusted.a") == [1])
      }
    }

    /// Small values are kept in the inode, larger ones in a block that files with equal attributes
    /// may share: the kernel does share, and what we change for one must not change for the other.
    @Test func valuesInTheInodeAndInBlocks() throws {
      try Site.with { site in
        let large = SeededGenerator.bytes(3000, seed: 5)
        try site.kernel { root in
          for name in ["a", "b", "c"] {
            try root.appending(name).write()
            try Syscall.setXattr(root.appending(name), "user.large", large)
          }
        }
        try site.mount { root in
          try Syscall.setXattr(root.appending("a"), "user.large", Array(large.reversed()))
          try Syscall.removeXattr(root.appending("b"), "user.large")
          try Syscall.setXattr(root.appending("c"), "user.small", [7])
          try root.appending("d").write()
          try Syscall.setXattr(root.appending("d"), "user.large", large)
          try Syscall.unlink(root.appending("d"))
        }
        try site.kernel { root throws in
          #expect(try Syscall.xattr(root.appending("a"), "user.large") == large.reversed())
          #expect(try Syscall.xattrNames(root.appending("b")).isEmpty)
          #expect(try Syscall.xattr(root.appending("c"), "user.large") == large)
          #expect(try Syscall.xattr(root.appending("c"), "user.small") == [7])
        }
      }
    }

    @Test func valuesGrowAndShrink() throws {
      try Site.with { site in
        var random = SeededGenerator(seed: 6)
        var expected: [String: [UInt8]] = [:]
        try site.mount { root in
          let file = root.appending("file")
          try file.write()
          for _ in 0..<400 {
            let name = "user.\(random.number(0..<12))"
            if random.oneIn(4) && expected[name] != nil {
              try Syscall.removeXattr(file, name)
              expected[name] = nil
            } else {
              let value = SeededGenerator.bytes(random.number(0..<250), seed: random.next())
              try Syscall.setXattr(file, name, value)
              expected[name] = value
            }
          }
        }
        try site.kernel { root throws in
          let file = root.appending("file")
          #expect(try Syscall.xattrNames(file) == expected.keys.sorted())
          for (name, value) in expected { #expect(try Syscall.xattr(file, name) == value) }
        }
      }
    }

    /// Values in inodes of their own (ea_inode), written by the kernel and by us.
    @Test func hugeValues() throws {
      try Site.with(features: ["ea_inode"]) { site in
        let huge = SeededGenerator.bytes(40_000, seed: 7)
        let largest = SeededGenerator.bytes(65_536, seed: 8)
        try site.kernel { root in
          try root.appending("file").write()
          try Syscall.setXattr(root.appending("file"), "user.huge", huge)
          try Syscall.setXattr(root.appending("file"), "user.small", [1])
        }
        try site.mount { root throws in
          let file = root.appending("file")
          #expect(try Syscall.xattr(file, "user.huge") == huge)
          #expect(try Syscall.xattrNames(file) == ["user.huge", "user.small"])
          let blocks = try Syscall.lstat(file).st_blocks
          try Syscall.setXattr(file, "user.ours", largest)
          #expect(try Syscall.lstat(file).st_blocks == blocks + 128)
          try Syscall.link(file, root.appending("link"))
          try root.appending("other").write()
          try Syscall.setXattr(root.appending("other"), "user.ours", largest)
          try Syscall.setXattr(root.appending("other"), "user.huge", [1])
        }
        try site.kernel { root throws in
          #expect(try Syscall.xattr(root.appending("link"), "user.ours") == largest)
          #expect(try Syscall.xattr(root.appending("other"), "user.ours") == largest)
          try Syscall.unlink(root.appending("other"))
        }
        try site.mount { root throws in
          #expect(try Syscall.xattr(root.appending("file"), "user.ours") == largest)
          try Syscall.removeXattr(root.appending("file"), "user.huge")
        }
      }
    }

    @Test func accessControlListsAreKept() throws {
      let user = try TestUser.mounter.get()
      try Site.with { site in
        func verify(_ root: FilePath) throws {
          let list = try Command(["getfacl", "-cn", "file"], in: root).succeed().lines
          #expect(
            list == ["user::rw-", "user:\(user.uid):r--", "group::r--", "mask::r--", "other::---"])
          #expect(try Syscall.lstat(root.appending("file")).st_mode & 0o777 == 0o640)
          let inherited = try Command(["getfacl", "-cnd", "directory"], in: root).succeed().lines
          #expect(inherited.contains("user:\(user.uid):rwx"))
        }
        try site.mount { root in
          try root.appending("file").write("x")
          try Syscall.chmod(root.appending("file"), mode: 0o640)
          try Syscall.mkdir(root.appending("directory"))
          try Command(["setfacl", "-m", "u:\(user.uid):r", "file"], in: root).succeed()
          try Command(["setfacl", "-d", "-m", "u:\(user.uid):rwx", "directory"], in: root).succeed()
          try verify(root)
        }
        try site.mount(verify)
        try site.kernel(verify)
      }
    }
  }
}
