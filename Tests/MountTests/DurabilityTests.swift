import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What is on disk when a program has been told so: seen in a copy of the image that is taken while it is mounted.
  @Suite struct DurabilityTests {
    /// What the image would hold after a power cut now: the copy is recovered by e2fsck, and needs nothing but that.
    private func paths(_ names: [String], afterCrashOf site: Site) throws -> [String: String] {
      let copy = Image(existing: site.scratch.appending("copy.img"))
      try Command(["cp", "--sparse=always", site.image.path.string, copy.path.string]).succeed()
      // Without -f it replays the journal, and is content.
      let repair = try Command(["e2fsck", "-p", copy.path.string]).run()
      guard repair.status & ~1 == 0 else { throw Failure(repair.description) }
      try copy.check()
      var found: [String: String] = [:]
      for name in names {
        let shown = try Command(["debugfs", "-R", "cat \(name)", copy.path.string]).run()
        if !shown.errors.contains("not found") { found[name] = shown.output }
      }
      return found
    }

    @Test func fsyncKeepsTheFileAndTheNamesThatLeadToIt() throws {
      try Site.with { site in
        try site.mount(options: ["commit=1000"]) { root in
          try Syscall.mkdir(root.appending("new"))
          try Syscall.mkdir(root.appending("new").appending("newer"))
          let path = root.appending("new").appending("newer").appending("file")
          try Syscall.withOpen(path, O_CREAT | O_RDWR) { file throws(Errno) in
            try Syscall.write(file, Array("contents".utf8), at: 0)
            try Syscall.fsync(file)
          }
          let name = "/new/newer/file"
          #expect(try paths([name], afterCrashOf: site) == [name: "contents"])
        }
      }
    }

    /// Where the kernel knows the block device, it passes syncfs(2) and sync(2) on.
    @Test func syncfsOfABlockDeviceWaitsForTheCommit() throws {
      try Site.with { site in
        try LoopDevice.with(site.image.path) { device in
          let plan = Mounted.Plan(options: ["commit=1000"], check: false)
          try Mounted.with(Image(existing: device), at: site.point, plan) { mounted in
            #expect(MountTable.entry(at: mounted.point)?.type == "fuseblk.fuse4fs")
            let path = mounted.point.appending("file")
            try Data("contents".utf8).write(to: URL(fileURLWithPath: path.string))
            try Syscall.withOpen(mounted.point, O_RDONLY) { file throws(Errno) in
              try Syscall.syncfs(file)
            }
            // The file behind the loop device has been written as well.
            #expect(try paths(["/file"], afterCrashOf: site) == ["/file": "contents"])
          }
        }
        try site.image.check()
      }
    }

    /// Elsewhere the kernel says nothing of it: a commit follows when its cache has been written back.
    @Test func aCommitFollowsWriteback() throws {
      try Site.with { site in
        try site.mount(options: ["commit=1000"]) { root in
          let path = root.appending("file")
          try Data("contents".utf8).write(to: URL(fileURLWithPath: path.string))
          sync()
          var found: [String: String] = [:]
          let deadline = Date(timeIntervalSinceNow: 30)
          while found.isEmpty, Date() < deadline {
            usleep(100_000)
            found = try paths(["/file"], afterCrashOf: site)
          }
          #expect(found == ["/file": "contents"])
        }
      }
    }

    /// What is not synchronised is committed when the interval is over.
    @Test func theIntervalIsKept() throws {
      try Site.with { site in
        try site.mount(options: ["commit=1"]) { root in
          try Syscall.mkdir(root.appending("directory"))
          var isThere = false
          let deadline = Date(timeIntervalSinceNow: 30)
          while !isThere, Date() < deadline {
            usleep(200_000)
            isThere = try !paths(["/directory"], afterCrashOf: site).isEmpty
          }
          #expect(isThere)
        }
      }
    }
  }
}
