import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What the daemon gives up, seen from outside.
  @Suite struct SandboxTests {
    private func status(_ process: pid_t, _ field: String) throws -> String {
      let line = try FilePath("/proc/\(process)/status").lines().first { $0.hasPrefix("\(field):") }
      // No expectation: it may be a process of another test, which has ended.
      guard let line else { throw Failure("process \(process) says nothing of \(field)") }
      return line.split { $0 == ":" || $0 == "\t" || $0 == " " }.dropFirst()
        .joined(separator: " ")
    }

    /// One that has ended may wait for the first process to notice.
    private func isAlive(_ process: pid_t) -> Bool {
      (try? status(process, "State"))?.hasPrefix("Z") == false
    }

    private func threads(_ process: pid_t) throws -> [pid_t] {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        .compactMap { pid_t($0) }
    }

    private func children(_ process: pid_t) throws -> [pid_t] {
      try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
        .filter { (try? status($0, "PPid")) == "\(process)" }
    }

    /// What the process has open, but for the file of a sanitizer's reports (scripts/test.d/sanitized-sandbox.c).
    private func open(_ process: pid_t) throws -> [Int: String] {
      let directory = FilePath("/proc/\(process)/fd")
      let numbers = try directory.names().compactMap { Int($0) }
      return Dictionary(
        uniqueKeysWithValues: try numbers.map {
          ($0, String(decoding: try Syscall.readlink(directory.appending("\($0)")), as: UTF8.self))
        }.filter { !Sanitizer.isReport($0.1) })
    }

    @Test(arguments: [false, true]) func nothingIsLeftToTheDaemon(isRoot: Bool) throws {
      let user = isRoot ? nil : try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        try site.mount(Mounted.Plan(options: ["sandbox=on"], user: user)) { _ throws in
          let daemon = try #require(Daemon.processes(at: site.point).first)
          let threads = try threads(daemon)
          #expect(threads.count > 2)
          for thread in threads {
            #expect(try status(thread, "NoNewPrivs") == "1")
            #expect(try status(thread, "Seccomp") == "2")
            // Users cannot shrink the bounding set; without new privileges it means nothing.
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] + (isRoot ? ["CapBnd"] : []) {
              #expect(try status(thread, set) == "0000000000000000", "\(set)")
            }
          }
          #expect(try status(daemon, "CoreDumping") == "0")
          let limits = try FilePath("/proc/\(daemon)/limits").lines().joined(separator: "\n")
          #expect(limits.contains(/Max core file size +0 +0/), "\(limits)")
          // Not dumpable: its files in /proc are root's.
          #expect(try Syscall.lstat(FilePath("/proc/\(daemon)/mem")).st_uid == 0)
        }
      }
    }

    @Test func inheritedDescriptorsAreClosed() throws {
      try Site.with { site in
        let fuse4fs = try Daemon.binary.get()
        let script = """
          exec 5</etc/passwd 7<>'\(site.scratch.path)/private'
          '\(fuse4fs)' '\(site.image.path)' '\(site.point)'
          """
        try Command(shell: script).succeed()
        let daemon = try #require(Daemon.processes(at: site.point).first)
        let own = ["/dev/null", site.image.path.string, "/dev/fuse", "/dev/cpu_dma_latency"]
        let inherited = { () throws -> [String] in
          try ([daemon] + children(daemon)).flatMap { try open($0).values }
            .filter { !own.contains($0) && !$0.hasPrefix("socket:") }
        }
        // The daemon closes the pipe to the command a moment after it has let the command end.
        for _ in 0..<100 {
          guard try inherited().contains(where: { $0.hasPrefix("pipe:") }) else { break }
          usleep(20_000)
        }
        #expect(try inherited() == [])
        try Command(["umount", site.point.string]).succeed()
        try Mounted.waitForEnd(of: site.image.path)
      }
    }

    @Test(arguments: ["auto", "on", "off"]) func theLogSaysWhatIsInForce(wish: String) throws {
      try Site.with { site in
        let script = """
          '\(try Daemon.binary.get())' -f -o sandbox=\(wish) '\(site.image.path)' '\(site.point)' & daemon=$!
          until mountpoint -q '\(site.point)'; do sleep 0.05; done
          touch '\(site.point)/file'
          grep Seccomp: /proc/$daemon/status
          kill -TERM $daemon; wait $daemon
          """
        let run = try Command(shell: script, timeout: 20).succeed()
        if wish == "off" {
          #expect(run.errors.contains("sandbox: off"), "\(run.errors)")
          #expect(run.text.hasSuffix("0"))
        } else {
          let line =
            /sandbox: no new privileges, Landlock ABI [0-9]+, no capabilities, no core files, seccomp/
          #expect(run.errors.contains(line), "\(run.errors)")
          #expect(run.text.hasSuffix("2"))
        }
        try site.image.check()
      }
    }

    /// The process that unmounts has nothing that matters, ends with the daemon, and leaves a dead daemon's mount alone.
    @Test(arguments: [false, true]) func theHelperThatUnmounts(isRoot: Bool) throws {
      let user = isRoot ? nil : try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        let mounted = try Mounted(site.image.path, at: site.point, Mounted.Plan(user: user))
        let daemon = try #require(Daemon.processes(at: site.point).first)
        let helpers = try children(daemon)
        let helper = try #require(helpers.first)
        #expect(helpers.count == 1)
        #expect(try status(helper, "Name") == "fuse4fs-umount")
        #expect(
          try FilePath("/proc/\(helper)/cmdline").lines().first?.hasPrefix(
            "fuse4fs-umount \(site.point)") == true)
        #expect(getsid(helper) == helper)
        let targets = try open(helper).values.filter { $0 != "/dev/null" }
        #expect(targets.count == 1 && targets.allSatisfy { $0.hasPrefix("socket:") }, "\(targets)")
        if isRoot { #expect(try status(helper, "CapEff") == "0000000000200004") }
        // As systemd does to all processes of a unit.
        for signal in [SIGTERM, SIGINT, SIGHUP] { kill(helper, signal) }
        #expect(isAlive(helper))

        Daemon.kill(at: site.point)
        try Mounted.waitForEnd(of: mounted.source)
        for _ in 0..<100 where isAlive(helper) { usleep(20_000) }
        #expect(!isAlive(helper))
        #expect(MountTable.entry(at: site.point) != nil)
        try Command(["umount", site.point.string]).succeed()
      }
    }

    /// Its mount is where it is, whatever its name leads to.
    @Test func theEndHitsNoOtherMount() throws {
      try Site.with { site in
        let parent = site.scratch.appending("parent")
        let point = parent.appending("mnt")
        let moved = site.scratch.appending("moved")
        try Syscall.mkdir(parent)
        try Syscall.mkdir(point)
        let mounted = try Mounted(site.image.path, at: point)
        try Syscall.rename(parent, moved)
        try Syscall.mkdir(parent)
        try Syscall.mkdir(point)
        try Command(["mount", "-t", "tmpfs", "other", point.string]).succeed()
        Daemon.kill(at: point, signal: SIGTERM)
        try Mounted.waitForEnd(of: mounted.source)
        #expect(MountTable.entry(at: point)?.source == "other")
        #expect(MountTable.entry(at: moved.appending("mnt")) == nil)
        try Command(["umount", point.string]).succeed()
        try site.image.check()
      }
    }

    /// While the daemon waits for the lock on the image, which comes between opening the mount point and mounting, the way to it is
    /// made to lead elsewhere.
    @Test func aMountPointThatIsSwapped() throws {
      try Site.with { site in
        let (parent, moved) = (site.scratch.appending("parent"), site.scratch.appending("moved"))
        for directory in ["parent", "parent/mnt", "victim", "victim/mnt"] {
          try Syscall.mkdir(site.scratch.appending(directory))
        }
        for _ in 0..<10 {
          let script = """
            exec 9<'\(site.image.path)'
            flock 9
            '\(try Daemon.binary.get())' '\(site.image.path)' '\(parent)/mnt' 9<&- & mount=$!
            until find /proc/[0-9]*/fd -lname '\(parent)/mnt' 2>/dev/null | grep -q .; do sleep 0.01; done
            mv '\(parent)' '\(moved)'; ln -s victim '\(parent)'
            flock -u 9
            wait $mount
            """
          try Command(shell: script).succeed()
          #expect(MountTable.entry(at: site.scratch.appending("victim/mnt")) == nil)
          #expect(MountTable.entry(at: moved.appending("mnt")) != nil)
          for point in ["victim/mnt", "moved/mnt"] {
            _ = try Command(["umount", site.scratch.appending(point).string]).run()
          }
          try Mounted.waitForEnd(of: site.image.path)
          try Syscall.unlink(parent)
          try Syscall.rename(moved, parent)
        }
      }
    }
  }
}

extension FilePath {
  func lines() throws -> [String] {
    // Files in /proc have no size.
    guard let data = FileManager.default.contents(atPath: string) else {
      throw Failure("\(self) cannot be read")
    }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
