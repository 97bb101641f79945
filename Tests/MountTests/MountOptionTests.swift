import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Options whose effect is seen in the file system, and changes of a mount.
  @Suite struct MountOptionTests {
    /// Group and mode of what is made in directories with and without the set-group-ID bit.
    private func groups(_ root: FilePath) throws -> [String] {
      try [mode_t](arrayLiteral: 0o755, 0o2755).flatMap { mode in
        let parent = root.appending("parent")
        try Syscall.mkdir(parent)
        try Syscall.lchown(parent, user: 0, group: 77)
        try Syscall.chmod(parent, mode: mode)
        try parent.appending("file").write()
        try Syscall.mkdir(parent.appending("directory"))
        let seen = try ["file", "directory"].map { name in
          let status = try Syscall.lstat(parent.appending(name))
          return "\(status.st_gid) \(String(status.st_mode, radix: 8))"
        }
        try Command(["rm", "-r", parent.string]).succeed()
        return seen
      }
    }

    @Test(arguments: [nil, "bsdgroups"], [nil, "grpid", "nogrpid", "bsdgroups", "sysvgroups"])
    func groupsOfNewFiles(preset: String?, option: String?) throws {
      try Site.with { site in
        if let preset { try Command(["tune2fs", "-o", preset, site.image.path.string]).succeed() }
        let options = option.map { [$0] } ?? []
        let right = try site.kernel(options: options) { root throws in try groups(root) }
        try site.mount(options: options) { root throws in #expect(try groups(root) == right) }
      }
    }

    @Test(arguments: [([], false), (["resuid=4321"], true), (["resgid=4321"], true)])
    func whoMayUseTheReserve(options: [String], isAllowed: Bool) throws {
      try Site.with(size: "32M", options: ["-m", "20"]) { site throws in
        try site.mount(options: options + ["allow_other"]) { root throws in
          let file = root.appending("file")
          try file.write()
          try Syscall.lchown(file, user: 4321, group: 4321)
          let status = try Syscall.withOpen(root, O_RDONLY, Syscall.fstatvfs)
          let size = Int(status.f_bavail + 256) * 4096
          var failure: Errno?
          do {
            try Syscall.asUser(4321) {
              try Syscall.withOpen(file, O_RDWR) { (open) throws(Errno) in
                try Syscall.fallocate(open, mode: 0, offset: 0, length: size)
              }
            }
          } catch let error as Errno {
            failure = error
          }
          #expect(failure == (isAllowed ? nil : .noSpace))
        }
      }
    }

    @Test func optionsOfTheKernelThatMeanNothingHere() throws {
      let options = [
        "nodelalloc", "dioread_nolock", "noblock_validity", "stripe=4", "init_itable=10",
        "max_batch_time=100", "journal_ioprio=3", "journal_checksum", "mb_optimize_scan=1",
      ]
      try Site.with { site in
        try site.kernel(options: options) { root in try root.appending("file").write("x") }
        try site.mount(options: options) { root throws in
          #expect(try root.appending("file").text() == "x")
        }
      }
    }

    /// What reading moves of a directory's access time.
    @Test func directoriesKeepTheirAccessTime() throws {
      let past = Moment(seconds: 1_000_000, nanoseconds: 5)
      try Site.with { site in
        for (option, moves) in [("diratime", true), ("nodiratime", false)] {
          try site.mount(options: ["strictatime"]) { root throws in
            try Syscall.setTimes(root, access: past.value, modification: Moment.now.value)
          }
          try site.mount(options: ["strictatime", option]) { root throws in _ = try root.names() }
          try site.kernel { root throws in
            #expect((Moment(try Syscall.lstat(root).st_atim) != past) == moves)
          }
        }
      }
    }

    @Test func optionsThatAskForWhatIsTheCase() throws {
      try onMount(mount: [
        "lazytime,nolazytime,norelatime,nostrictatime,silent,loud,mand,nomand,iversion,noiversion",
        "user_id=0,group_id=0,blksize=4096",
      ]) { root throws in try root.appending("file").write("x") }
    }

    /// mount(8) has its helper remount.
    private func remount(_ site: Site, _ options: String) throws -> Command.Result {
      let name = Daemon.directory.string
      return try Command(
        [
          try Daemon.binary.get().string, site.image.path.string, site.point.string, "-o",
          "\(options),remount,user_id=0,group_id=0,default_permissions",
        ], environment: ["PATH=\(name):/usr/sbin:/usr/bin:/sbin:/bin"]
      ).run()
    }

    @Test func remounting() throws {
      try Site.with { site in
        try site.mount(options: ["commit=3000"]) { root throws in
          let file = root.appending("file")
          try file.write("contents")
          let open = try Syscall.open(file, O_RDWR)
          #expect(!(try remount(site, "ro").succeeded), "a file is open for writing")
          try Syscall.close(open)
          #expect(try remount(site, "ro,noexec").succeeded)
          let options = MountTable.entry(at: root)?.options ?? []
          #expect(Set(["ro", "noexec", "nodev", "nosuid"]).isSubset(of: options))
          #expect(throws: Errno.readOnlyFileSystem) { try file.write("other") }
          // All is on disk: a copy of the image has it, though the mount is still there.
          let copy = Image(existing: site.scratch.appending("copy.img"))
          try CrashedImage.copyAtRest(site.image.path, to: copy.path)
          let there = try site.scratch.directory("there")
          try KernelMount.with(copy, at: there) { other throws in
            #expect(try other.appending("file").text() == "contents")
          }
          #expect(try remount(site, "rw,noatime").succeeded)
          try file.write("other")
          #expect(MountTable.entry(at: root)?.options.contains("noatime") == true)
        }
        #expect(try remount(site, "ro").errors.contains("nothing is mounted there"))
      }
    }
  }
}
