import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// systemd/fuse4fs@.service: root's part and the daemon's, which has no privileges.
  @Suite struct ServiceTests {
    private static let house = FilePath(#filePath)
      .removingLastComponent().removingLastComponent().removingLastComponent()
    private static let unit = house.appending("systemd/fuse4fs@.service")
    private static let hasSystemd = FilePath("/usr/bin/systemd-analyze").exists

    /// Runs the unit's commands as systemd would. The daemon has been ready meanwhile, and `command` been run.
    private func unit(
      _ site: Site, device: FilePath? = nil, options: String = "rw,allow_other",
      user: String? = nil, _ command: String
    ) throws -> Command.Result {
      let user = try user ?? "\(TestUser.other.get().uid)"
      return try Command(
        [
          "python3", "-B", Self.house.appending("scripts/test.d/service_manager.py").string,
          Self.unit.string, try Daemon.binary.get().string,
          (device ?? site.image.path).string, site.point.string, options, user, command,
        ], timeout: 60
      ).run()
    }

    @Test(.enabled(if: hasSystemd, "there is no systemd-analyze"))
    func theTemplateIsHardlyExposed() throws {
      try Scratch.with { scratch in
        // The program wants to write to /tmp.
        let script = """
          cp '\(Self.unit)' '\(scratch.path)'
          mount --bind '\(scratch.path)' /tmp
          systemd-analyze security --offline=true --no-pager --threshold=19 /tmp/fuse4fs@.service
          """
        let analysis = try Command(["unshare", "--mount", "sh", "-euc", script]).run()
        #expect(analysis.succeeded, "\(analysis)")
      }
    }

    @Test func rootMountsAndAnotherUserServes() throws {
      let user = try TestUser.mounter.get()
      try Site.with { site in
        // The user of the unit may use neither the image nor the mount point.
        try Syscall.chmod(site.image.path, mode: 0o600)
        try Syscall.chmod(site.point, mode: 0o700)
        let become = "setpriv --reuid=\(user.uid) --regid=\(user.gid) --clear-groups"
        let command = """
          cd '\(site.point)'
          chmod 1777 .
          \(become) sh -c 'echo data >file; stat -c %u file; mkdir directory'
          grep -E '^(Uid|CapPrm|Seccomp):' /proc/$MAINPID/status
          ls /proc/$MAINPID/fd -l | grep -c fuse
          """
        let result = try unit(site, command)
        let other = try TestUser.other.get()
        #expect(result.lines.first?.hasPrefix("before: 0 device fuse") == true, "\(result)")
        // The service manager has no descriptor any more.
        for line in [
          "ready: True", "\(user.uid)", "CapPrm:\t0000000000000000", "Seccomp:\t2",
          "Uid:" + String(repeating: "\t\(other.uid)", count: 4), "stop: 0", "daemon: 0",
          "after: 0",
        ] {
          #expect(result.lines.contains(line), "\(line): \(result)")
        }
        #expect(MountTable.entry(at: site.point) == nil)
        try site.image.check()
        try site.kernel { root throws in #expect(try root.appending("file").text() == "data\n") }
      }
    }

    /// Root makes the control socket, and the daemon, which has no files, answers there.
    @Test func theUnitsStatistics() throws {
      try Site.with { site in
        let fuse4fs = try Daemon.binary.get()
        let command = """
          mkdir '\(site.point)/a' '\(site.point)/b'
          '\(fuse4fs)' stats '\(site.point)'
          stat -c '%U %a %F' /run/fuse4fs/*.socket
          """
        let result = try unit(site, command)
        #expect(result.lines.contains { $0.contains(#/^MKDIR +2 +0 /#) }, "\(result)")
        #expect(result.lines.contains("root 600 socket"), "\(result)")
        #expect(result.lines.contains("after: 0"), "\(result)")
        #expect(try FilePath("/run/fuse4fs").names() == [])
      }
    }

    /// While the mount is used, it is gone from sight at once, and its users get ten seconds.
    @Test func theEndOfAMountInUse() throws {
      try Site.with { site in
        let command = "(exec >'\(site.point)/file'; echo kept; exec sleep 30) & sleep 0.5"
        let result = try unit(site, command)
        for line in ["stop: 0", "daemon: 0", "after: 0"] {
          #expect(result.lines.contains(line), "\(result)")
        }
        #expect(MountTable.entry(at: site.point) == nil)
        try site.image.check()
        try site.kernel { root throws in #expect(try root.appending("file").text() == "kept\n") }
      }
    }

    /// Users of a dead daemon's mount do not wait, and the mount does not stay.
    @Test func aDaemonThatDies() throws {
      try Site.with { site in
        let command = """
          echo kept >'\(site.point)/file'; sync '\(site.point)/file'
          kill -KILL $MAINPID
          sleep 0.2
          timeout 5 cat '\(site.point)/file' 2>&1
          """
        let result = try unit(site, command)
        #expect(result.output.contains("not connected") || result.output.contains("abort"))
        #expect(result.lines.contains("daemon: -9"), "\(result)")
        #expect(result.lines.contains("after: 0"), "\(result)")
        #expect(MountTable.entry(at: site.point) == nil)
        try site.mount { root throws in #expect(try root.appending("file").text() == "kept\n") }
      }
    }

    @Test func whatRootUnmounts() throws {
      try Site.with { site in
        let result = try unit(site, "echo x >'\(site.point)/file'; umount '\(site.point)'")
        #expect(result.lines.contains("daemon: 0"), "\(result)")
        #expect(try FilePath("/run/fuse4fs").names() == [])
        #expect(result.lines.contains("after: 0"), "\(result)")
        try site.image.check()
      }
    }

    /// Mounts of the type fuseblk, for which root opens the device, and the kernel has it for its own.
    @Test func blockDevices() throws {
      try Site.with { site in
        try LoopDevice.with(site.image.path) { device in
          let command = "grep ' \(site.point) ' /proc/self/mounts; echo x >'\(site.point)/file'"
          let result = try unit(site, device: device, command)
          #expect(result.output.contains(" fuseblk.fuse4fs "), "\(result)")
          #expect(result.lines.contains("daemon: 0"), "\(result)")
          #expect(MountTable.entry(at: site.point) == nil)
        }
        try site.image.check()
      }
    }

    @Test func journalsOnOtherDevices() throws {
      try Site.with(options: ["-O", "^has_journal"]) { site in
        let journal = site.scratch.appending("journal.img")
        let script = """
          truncate -s 16M '\(journal)'; mke2fs -q -b 4096 -O journal_dev '\(journal)'
          loop=$(losetup --find --show '\(journal)')
          tune2fs -J device=$loop '\(site.image.path)'; code=$?
          losetup --detach $loop
          exit $code
          """
        try Command(shell: script).succeed()
        let options = "rw,journal_path=\(journal)"
        let result = try unit(site, options: options, "echo x >'\(site.point)/file'")
        #expect(result.output.hasPrefix("before: 0 device fuse journal"), "\(result)")
        #expect(result.lines.contains("daemon: 0"), "\(result)")
        try site.image.check(journal: journal)
      }
    }

    @Test func whatCannotBeMountedLeavesNothing() throws {
      try Site.with { site in
        let missing = site.scratch.appending("missing.img")
        let first = try unit(site, device: missing, "true")
        #expect(first.lines == ["before: 32", "after: 0"])
        #expect(first.errors.contains("cannot find '\(missing)'"), "\(first)")
        // Root's part finds a file system; that it cannot be mounted, the daemon sees.
        try Command(["tune2fs", "-O", "casefold", site.image.path.string]).succeed()
        let second = try unit(site, "true")
        #expect(second.output.contains("ready: False"), "\(second)")
        #expect(second.lines.contains("daemon: 32"), "\(second)")
        #expect(second.errors.contains("'\(site.image.path)'"), "\(second)")
        #expect(MountTable.entry(at: site.point) == nil)
      }
    }

    /// Systemd has the descriptors still, and no request is ever answered.
    @Test func aDaemonThatDoesNotStart() throws {
      try Site.with { site in
        let result = try unit(
          site, options: "rw,keep_awake=off", user: "there is no such user", "true")
        #expect(result.lines.contains("ready: False socket device fuse"), "\(result)")
        #expect(result.lines.contains("after: 0"), "\(result)")
        #expect(MountTable.entry(at: site.point) == nil)
        try site.image.check()
      }
    }

    @Test(arguments: [
      (["--systemd", "sometime"], [], "mount, serve or unmount"),
      (["--systemd", "serve"], ["--unset=NOTIFY_SOCKET"], "NOTIFY_SOCKET"),
      (["--systemd", "mount"], ["--unset=NOTIFY_SOCKET"], "NOTIFY_SOCKET"),
    ])
    func outsideOfAUnit(step: [String], environment: [String], reason: String) throws {
      try Site.with { site in
        let refused = try Command(
          ["env"] + environment + [try Daemon.binary.get().string] + step
            + [site.image.path.string, site.point.string]
        ).run()
        #expect(refused.status == 1)
        #expect(refused.errors.contains(reason), "\(refused)")
        #expect(MountTable.entry(at: site.point) == nil)
      }
    }

    /// What is mounted there by others stays.
    @Test func theLastStepTakesNoOtherMount() throws {
      try Site.with { site in
        try site.mount { point throws in
          let other = site.scratch.appending("other.img").string
          let step = [try Daemon.binary.get().string, "--systemd", "unmount"]
          try Command(step + [other, point.string]).succeed()
          #expect(MountTable.entry(at: point) != nil)
        }
      }
    }
  }
}
