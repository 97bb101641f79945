import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What a person types, and what mount(8) passes on.
  @Suite struct CommandLineTests {
    private func fuse4fs(_ arguments: String...) throws -> Command.Result {
      try Command([try Daemon.binary.get().string] + arguments).run()
    }

    @Test func helpAndVersion() throws {
      for flag in ["-h", "--help"] {
        let help = try fuse4fs(flag)
        #expect(help.succeeded)
        for part in ["DEVICE", "MOUNTPOINT", "fusermount3 -u", "partition=", "fakeroot"] {
          #expect(help.output.contains(part), "\(part)")
        }
      }
      let version = try fuse4fs("-V")
      #expect(version.succeeded && version.output.contains("fuse4fs"))
    }

    @Test(arguments: [
      (["-o", "nonsense"], "nonsense"), (["-o", "ro,sillier=3"], "sillier"),
      (["-o", "offset=twelve"], "offset"), (["-o", "errors=never"], "errors"),
      (["-o", "iomap=sometimes"], "iomap"), (["-o", "iomap_cache=2"], "iomap_cache"),
      (["-o", "cache_size=1K"], "cache_size"), (["-o", "keep_awake=often"], "keep_awake"),
      (["-o", "io_uring=yes"], "io_uring"),
      (["-o", "inode_readahead_blks=3"], "inode_readahead_blks"),
      (["--nonsense"], "nonsense"),
    ])
    func whatIsNotUnderstoodIsNamed(arguments: [String], name: String) throws {
      try Site.with { site in
        let plan = Mounted.Plan(arguments: arguments)
        let refused = try Mounted.attempt(site.image.path, at: site.point, plan)
        #expect(refused.status == 1)
        #expect(refused.errors.contains(name), "\(refused.errors)")
        #expect(MountTable.entry(at: site.point) == nil)
      }
    }

    /// Kernels without FUSE iomap, as long as this one is one.
    @Test(.disabled(if: FilePath("/sys/module/fuse/parameters/enable_iomap").exists))
    func iomapThatCannotBeHad() throws {
      try Site.with { site in
        let always = Mounted.Plan(options: ["iomap=always"])
        let refused = try Mounted.attempt(site.image.path, at: site.point, always)
        #expect(refused.status == 32)
        #expect(refused.errors.contains("iomap=always"), "\(refused.errors)")
        #expect(MountTable.entry(at: site.point) == nil)
        try site.mount(options: ["iomap=auto", "iomap_cache=off"]) { root in
          #expect(MountTable.entry(at: root) != nil)
        }
        try site.mount(options: ["iomap=never"]) { root in
          #expect(MountTable.entry(at: root) != nil)
        }
      }
    }

    @Test func argumentsThatAreMissing() throws {
      #expect(try fuse4fs().status == 1)
      #expect(try fuse4fs("image").status == 1)
      #expect(try fuse4fs("image", "mountpoint", "more").status == 1)
    }

    @Test func everyOptionOfTheManualIsAccepted() throws {
      let sets = [
        "rw,allow_other,default_permissions", "allow_root", "errors=continue,acl,user_xattr",
        "errors=remount-ro,noacl,nouser_xattr", "minixdf,nodev,nosuid,noatime",
        "bsddf,dev,suid,relatime", "strictatime,dirsync,sync", "fakeroot,uid=5,gid=6",
        "cache_size=1M,keep_awake=on,inode_readahead_blks=0",
        "cache_size=2G,keep_awake=off,inode_readahead_blks=64", "sandbox=auto", "sandbox=on",
        "io_uring=auto", "io_uring=off",
        "sandbox=off", "allow_dev,allow_suid",
        "nofail,user,_netdev,x-systemd.automount,x-anything=1,noauto,defaults",
      ]
      try Site.with { site in
        for set in sets {
          try site.mount(options: [set]) { root in
            try root.appending("file").write(set)
            #expect(try root.appending("file").text() == set)
          }
        }
      }
    }

    @Test func namesInTheMountTable() throws {
      try Site.with { site in
        try site.mount { root in
          let entry = try #require(MountTable.entry(at: root))
          #expect(entry.type == "fuse.fuse4fs")
          #expect(entry.source == site.image.path.string)
          #expect(entry.options.contains("rw"))
        }
        try site.mount(options: ["fsname=my disk", "subtype=other", "ro"]) { root in
          let entry = try #require(MountTable.entry(at: root))
          #expect(entry.type == "fuse.other" && entry.source == "my disk")
          #expect(entry.options.contains("ro"))
        }
      }
    }

    @Test func minixdfCountsEverything() throws {
      try Site.with { site throws in
        func blocks(_ option: String) throws -> UInt {
          try site.mount(options: [option]) { root in
            try Syscall.withOpen(root, 0, Syscall.fstatvfs).f_blocks
          }
        }
        #expect(try blocks("minixdf") == 16_384)
        #expect(try blocks("bsddf") < 16_384)
      }
    }

    @Test func aWriteProtectedDeviceIsMountedReadOnly() throws {
      let helper = FilePath(#filePath)
        .removingLastComponent().removingLastComponent().removingLastComponent()
        .appending("scripts/mount.fuse.ext4")
      try Site.with { site in
        let binaries = try Daemon.binary.get().removingLastComponent()
        try LoopDevice.with(site.image.path, options: ["--read-only"]) { device in
          let mount = "PATH='\(binaries)':$PATH '\(helper)' \(device) '\(site.point)'"
          let run = try Command(shell: mount).succeed()
          #expect(run.errors.contains("write-protected, mounted read-only"))
          #expect(try #require(MountTable.entry(at: site.point)).type == "fuse.ext4")
          #expect(throws: Errno.readOnlyFileSystem) {
            try Syscall.mkdir(site.point.appending("directory"))
          }
          try Command(["umount", site.point.string]).succeed()
          try Mounted.waitForEnd(of: device)
        }
      }
    }

    /// mount(8) finds fuse4fs in /usr/local/bin by way of mount.fuse3(8), whatever the PATH, with options from
    /// the command line or from fstab(5): both of our own, in a mount namespace.
    @Test func throughMount() throws {
      try Site.with { site in
        let binaries = try Daemon.binary.get().removingLastComponent()
        let fstab = site.scratch.appending("fstab")
        try fstab.write(
          "\(site.image.path) \(site.point) fuse.fuse4fs noauto,nofail,user,noatime,x-test 0 0\n")
        let script = """
          unshare -m sh -euc "mount --bind '\(binaries)' /usr/local/bin
            mount -t fuse.fuse4fs -o noatime '\(site.image.path)' '\(site.point)'
            echo one > '\(site.point)'/one
            umount '\(site.point)'; flock '\(site.image.path)' true
            mount --bind '\(fstab)' /etc/fstab
            mount '\(site.point)'
            echo two > '\(site.point)'/two
            grep -c ' \(site.point) fuse.fuse4fs ' /proc/self/mounts
            umount '\(site.point)'; flock '\(site.image.path)' true"
          """
        let run = try Command(shell: script).succeed()
        #expect(run.text == "1")
        try site.image.check()
        try site.kernel { root in
          #expect(root.appending("one").exists && root.appending("two").exists)
        }
      }
    }

    /// What is mounted through mount(8), by our helper or, for the type fuse.fuse4fs, by mount.fuse3(8), which adds dev and suid.
    @Test(arguments: ["fuse.fuse4fs", "fuse.ext4"])
    func deviceNodesAndSetUserIDProgramsMustBeAskedFor(type: String) throws {
      let helper = FilePath(#filePath)
        .removingLastComponent().removingLastComponent().removingLastComponent()
        .appending("scripts/mount.fuse.ext4")
      try Site.with { site in
        let binaries = try Daemon.binary.get().removingLastComponent()
        let helpers = try site.scratch.directory("helpers")
        try Command(["install", helper.string, "\(helpers)/mount.fuse.ext4"]).succeed()
        let script = """
          unshare -m sh -euc "mount --bind '\(binaries)' /usr/local/bin
            mount -t overlay -o 'lowerdir=\(helpers):/usr/sbin' none /usr/sbin
            for options in rw defaults dev,suid allow_dev allow_suid allow_other,allow_suid,allow_dev nosuid nosuid,allow_suid; do
              mount -t \(type) -o \\$options '\(site.image.path)' '\(site.point)'
              echo \\$options: \\$(findmnt -no VFS-OPTIONS '\(site.point)' | tr , '\n' | grep -xE 'nodev|nosuid')
              umount '\(site.point)'; flock '\(site.image.path)' true
            done
            mount -t \(type) '\(site.image.path)' '\(site.point)'
            mount -i -o remount,ro '\(site.point)'
            echo remount: \\$(findmnt -no VFS-OPTIONS '\(site.point)' | tr , '\n' | grep -xE 'nodev|nosuid')
            umount '\(site.point)'; flock '\(site.image.path)' true"
          """
        let run = try Command(shell: script).succeed()
        #expect(
          run.lines == [
            "rw: nosuid nodev", "defaults: nosuid nodev", "dev,suid: nosuid nodev",
            "allow_dev: nosuid", "allow_suid: nodev", "allow_other,allow_suid,allow_dev:",
            "nosuid: nosuid nodev", "nosuid,allow_suid: nosuid nodev", "remount: nosuid nodev",
          ], "\(run.description)")
        try site.image.check()
      }
    }

    /// A person who mounts without mount(8) says it as in mount(8).
    @Test func deviceNodesAskedForDirectly() throws {
      try Site.with { site in
        for options in ["dev,suid", "rw,dev,suid"] {
          try site.mount(options: [options]) { root throws in
            let entry = try #require(MountTable.entry(at: root))
            #expect(!entry.options.contains("nodev") && !entry.options.contains("nosuid"))
          }
        }
      }
    }
  }
}
