import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Where an image may come from, and which programs may use it at the same time.
  @Suite struct SourceTests {
    @Test func blockDevices() throws {
      try Site.with { site in
        try LoopDevice.with(site.image.path) { device in
          let mounted = try Mounted(device, at: site.point)
          try site.point.appending("file").write("x")
          try mounted.unmount()
        }
        try site.image.check()
        try site.kernel { root throws in #expect(try root.appending("file").text() == "x") }
      }
    }

    @Test func descriptors() throws {
      let user = try TestUser.mounter.get()
      try Site.with { site in
        try Syscall.lchown(site.point, user: user.uid, group: user.gid)
        let fuse4fs = try Daemon.binary.get()
        // The user may not open the image; the descriptor is passed on.
        try Syscall.chmod(site.image.path, mode: 0o600)
        let script = """
          exec 9<>'\(site.image.path)'
          setpriv --reuid=\(user.uid) --regid=\(user.gid) --clear-groups \
            \(fuse4fs) -o fakeroot /proc/self/fd/9 '\(site.point)'
          """
        try Command(shell: script).succeed()
        #expect(MountTable.entry(at: site.point) != nil)
        try Command(["touch", site.point.appending("new").string], as: user).succeed()
        try Command(["fusermount3", "-u", site.point.string], as: user).succeed()
        try Mounted.waitForEnd(of: site.image.path)
        try site.image.check()
        try site.kernel { root in #expect(root.appending("new").exists) }
      }
    }

    @Test func sparseFilesStaySparse() throws {
      try Site.with(size: "4G") { site in
        try site.mount { root in try root.appending("file").write("x") }
        #expect(try Syscall.lstat(site.image.path).st_blocks * 512 < 300 << 20)
      }
    }

    @Test(arguments: ["1M", "1024K", "1048576"])
    func offsets(spelling: String) throws {
      try Site.with { site in
        let shifted = site.scratch.appending("shifted.img")
        try Command(shell: "truncate -s 1M '\(shifted)'; cat '\(site.image.path)' >> '\(shifted)'")
          .succeed()
        let plan = Mounted.Plan(options: ["offset=\(spelling)"], check: false)
        try Mounted.with(Image(existing: shifted), at: site.point, plan) { mounted in
          try mounted.point.appending("file").write("x")
        }
        try Image(existing: shifted).check(offset: 1 << 20)
      }
    }

    /// Two partitions, the second holding the file system; the table is what sfdisk(8) makes of it.
    @Test(arguments: ["dos", "gpt"])
    func partitions(label: String) throws {
      try Site.with { site in
        let disk = site.scratch.appending("disk-\(label).img")
        let script = """
          truncate -s 80M '\(disk)'
          printf 'label: \(label)\\nstart=2048,size=4096\\nstart=8192,size=131072\\n' |
            sfdisk -q '\(disk)'
          dd if='\(site.image.path)' of='\(disk)' bs=4M seek=1 conv=notrunc,sparse status=none
          """
        try Command(shell: script).succeed()
        let image = Image(existing: disk)
        let plan = Mounted.Plan(options: ["partition=2"], check: false)
        try Mounted.with(image, at: site.point, plan) { mounted in
          try mounted.point.appending("file").write("x")
        }
        try image.check(offset: 4 << 20)
        for wrong in [["partition=1"], ["partition=3"], []] {
          let result = try Mounted.attempt(disk, at: site.point, Mounted.Plan(options: wrong))
          #expect(result.status == 32)
          if wrong.isEmpty { #expect(result.errors.contains("partition=2"), "\(result.errors)") }
        }
      }
    }

    @Test func logicalPartitions() throws {
      try Site.with { site in
        let disk = site.scratch.appending("disk-logical.img")
        let script = """
          truncate -s 100M '\(disk)'
          printf 'label: dos\\nstart=2048,size=2048\\nstart=8192,type=5\\nstart=16384,size=131072\\n' |
            sfdisk -q '\(disk)'
          dd if='\(site.image.path)' of='\(disk)' bs=8M seek=1 conv=notrunc,sparse status=none
          """
        try Command(shell: script).succeed()
        let plan = Mounted.Plan(options: ["partition=5"], check: false)
        try Mounted.with(Image(existing: disk), at: site.point, plan) { mounted in
          try mounted.point.appending("file").write("x")
        }
        try Image(existing: disk).check(offset: 8 << 20)
      }
    }

    /// A user who can only read the image can mount it for reading.
    @Test func anImageThatOnlyRootCanWrite() throws {
      let user = try TestUser.mounter.get()
      try Site.with { site in
        try site.kernel { root in try root.appending("file").write("readable") }
        try Syscall.chmod(site.image.path, mode: 0o644)
        try Syscall.lchown(site.point, user: user.uid, group: user.gid)
        let plan = Mounted.Plan(options: ["ro"], user: user)
        try Mounted.with(site.image, at: site.point, plan) { mounted throws in
          let file = mounted.point.appending("file")
          #expect(try Command(["cat", file.string], as: user).succeed().text == "readable")
        }
        let refused = try Mounted.attempt(
          site.image.path, at: site.point, Mounted.Plan(user: user))
        #expect(refused.status == 32)
        #expect(refused.errors.contains("-o ro"), "\(refused.errors)")
        #expect(MountTable.entry(at: site.point) == nil)
      }
    }

    @Test func oneWriterAtATime() throws {
      try Site.with { site in
        let second = try site.scratch.directory("second")
        try site.mount { root in
          for options in [[], ["ro"]] {
            let refused = try Mounted.attempt(
              site.image.path, at: second, Mounted.Plan(options: options))
            #expect(refused.status == 32)
            #expect(refused.errors.contains("already mounted for writing"), "\(refused.errors)")
          }
          try root.appending("file").write("still fine")
        }
        try site.mount { root throws in
          #expect(try root.appending("file").text() == "still fine")
        }
      }
    }

    @Test func readersShare() throws {
      try Site.with { site in
        try site.kernel { root in try root.appending("file").write("shared") }
        let second = try site.scratch.directory("second")
        try site.mount(options: ["ro"]) { first in
          let plan = Mounted.Plan(options: ["ro"], check: false)
          try Mounted.with(site.image, at: second, plan) { mounted in
            #expect(try mounted.point.appending("file").text() == "shared")
            #expect(try first.appending("file").text() == "shared")
            let refused = try Mounted.attempt(
              site.image.path, at: try site.scratch.directory("third"))
            #expect(refused.status == 32)
            #expect(refused.errors.contains("read-only"), "\(refused.errors)")
          }
        }
      }
    }

    @Test func whatTheKernelHasMountedIsRefused() throws {
      try Site.with { site in
        let second = try site.scratch.directory("second")
        try site.kernel { _ in
          let refused = try Mounted.attempt(site.image.path, at: second)
          #expect(refused.status == 32)
          #expect(MountTable.entry(at: second) == nil)
        }
      }
    }

    @Test func whatIsNoFileSystem() throws {
      try Scratch.with { scratch in
        let point = try scratch.directory("mnt")
        try scratch.appending("empty").write()
        try scratch.appending("noise").write(SeededGenerator.bytes(100_000, seed: 9))
        for name in ["missing", "empty", "noise", "mnt"] {
          let refused = try Mounted.attempt(scratch.appending(name), at: point)
          #expect(refused.status == 32, "\(name)")
          #expect(refused.errors.contains(name), "\(refused.errors)")
          #expect(MountTable.entry(at: point) == nil)
        }
      }
    }
  }
}
