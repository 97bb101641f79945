import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Projects. A kernel without quota support does not mount such a file system for writing, so that what ext4 does is told here by
  /// its source.
  @Suite struct ProjectTests {
    private static let inherit: UInt32 = 0x2000_0000

    /// Gives the directory a project that it hands down. chattr(1) sets both.
    private static func makeProject(_ root: FilePath, _ name: String, _ project: Int) throws {
      try Syscall.mkdir(root.appending(name))
      try Command(["chattr", "+P", "-p", "\(project)", name], in: root).succeed()
    }

    private static func project(of path: String, in root: FilePath) throws -> Int {
      let line = try Command(["lsattr", "-dp", path], in: root).succeed().text
      return try #require(line.split(separator: " ").first.flatMap { Int($0) })
    }

    @Test func inheritanceAndBoundaries() throws {
      try Site.with(features: ["project"], options: ["-I", "256"]) { site in
        try site.mount { root in
          try Self.makeProject(root, "one", 1001)
          try Self.makeProject(root, "two", 2002)
          try Syscall.mkdir(root.appending("none"))
          for name in ["one", "two", "none"] {
            try root.appending("\(name)/file").write("x")
            try Syscall.mkdir(root.appending("\(name)/directory"))
            try root.appending("\(name)/directory/file").write("x")
          }
          for (path, project) in [
            ("one/file", 1001), ("one/directory", 1001), ("one/directory/file", 1001),
            ("two/directory/file", 2002), ("none/file", 0), ("none/directory", 0),
          ] {
            #expect(try Self.project(of: path, in: root) == project, "\(path)")
          }
          let below = try Syscall.withOpen(root.appending("one/directory"), O_RDONLY, Syscall.flags)
          #expect(below & Self.inherit != 0)
          let file = try Syscall.withOpen(root.appending("one/file"), O_RDONLY, Syscall.flags)
          #expect(file & Self.inherit == 0)

          func path(_ name: String) -> FilePath { root.appending(name) }
          #expect(throws: Errno.improperLink) { try Syscall.link(path("one/file"), path("two/l")) }
          #expect(throws: Errno.improperLink) { try Syscall.link(path("none/file"), path("two/l")) }
          try Syscall.link(path("one/file"), path("none/link"))
          try Syscall.link(path("one/file"), path("one/directory/link"))
          for name in ["one/file", "one/directory", "none/file"] {
            #expect(throws: Errno.improperLink) { try Syscall.rename(path(name), path("two/new")) }
          }
          #expect(throws: Errno.improperLink) {
            try Syscall.rename(path("one/file"), path("two/file"))
          }
          #expect(throws: Errno.improperLink) {
            try Syscall.rename(path("none/file"), path("two/file"), flags: 2)
          }
          try Syscall.rename(path("one/directory"), path("none/from-one"))
          #expect(try Self.project(of: "none/from-one/file", in: root) == 1001)
          try Syscall.rename(path("none/from-one"), path("one/back"))
          // A file of the right project may come in.
          try Command(["chattr", "-p", "2002", "none/file"], in: root).succeed()
          try Syscall.rename(path("none/file"), path("two/came"))
        }
        #expect(try site.image.debugfs("stat /two/came").contains("Project:  2002"))
        try site.mount(options: ["ro"]) { root throws in
          #expect(try Self.project(of: "one/back/file", in: root) == 1001)
        }
      }
    }
  }
}
