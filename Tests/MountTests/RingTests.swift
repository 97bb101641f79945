import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Mounts whose requests come over io_uring.
  @Suite struct RingTests {
    /// Whether the kernel offers it, which scripts/test turns on.
    private static let isOffered =
      (try? FilePath("/sys/module/fuse/parameters/enable_uring").text()) == "Y\n"

    /// How requests come at a mount: each processor has a thread of the daemon that may run nowhere else.
    private func usesRing(_ site: Site) throws -> Bool {
      // One of them is what unmounts in the end.
      let directories = Daemon.processes(at: site.point).map { FilePath("/proc/\($0)/task") }
      let tasks = try #require(
        try directories.max { first, second in
          try first.names().count < second.names().count
        })
      let places = try tasks.names().map { task in
        try tasks.appending(task).appending("status").lines()
          .first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: "\t").last ?? ""
      }
      return places.contains { !$0.contains("-") && !$0.contains(",") }
    }

    /// The threads find their places while the mount is already there.
    private func waitForRing(_ site: Site) throws -> Bool {
      for _ in 0..<50 {
        if try usesRing(site) { return true }
        usleep(100_000)
      }
      return false
    }

    @Test(.enabled(if: isOffered, "the kernel does not offer FUSE over io_uring"))
    func isUsedWhereItIsWanted() throws {
      let user = try TestUser.mounter.get()
      for (options, user, isExpected) in [
        (["io_uring=on"], nil, true), (["io_uring=auto"], nil, true), ([], nil, false),
        (["io_uring=off"], nil, false), (["io_uring=on", "sandbox=on", "allow_other"], user, true),
        (["io_uring=on", "sandbox=off"], nil, true),
      ] as [([String], TestUser?, Bool)] {
        try Site.with(owner: user) { site in
          try site.mount(Mounted.Plan(options: options, user: user)) { root in
            #expect(
              try (isExpected ? waitForRing(site) : usesRing(site)) == isExpected, "\(options)")
            try root.appending("file").write(String(repeating: "contents", count: 100_000))
            #expect(try root.appending("file").bytes().count == 800_000)
          }
        }
      }
    }

    @Test(.disabled(if: isOffered, "the kernel offers FUSE over io_uring"))
    func aKernelThatDoesNotOfferIt() throws {
      try Site.with { site in
        let refused = try Mounted.attempt(
          site.image.path, at: site.point, Mounted.Plan(options: ["io_uring=on"]))
        #expect(refused.status == 32)
        #expect(refused.errors.contains("io_uring"), "\(refused.errors)")
        #expect(MountTable.entry(at: site.point) == nil)
        try site.mount(options: ["io_uring=auto"]) { _ in
          let isUsed = try usesRing(site)
          #expect(!isUsed)
        }
      }
    }

    /// One request after the other is another way.
    @Test func notWithASingleThread() throws {
      try Site.with { site in
        let refused = try Mounted.attempt(
          site.image.path, at: site.point,
          Mounted.Plan(options: ["io_uring=on"], arguments: ["-s"]))
        #expect(refused.status == 32)
        #expect(
          refused.errors.contains("one request is served after the other"), "\(refused.errors)")
        try site.mount(Mounted.Plan(arguments: ["-s"])) { root in
          try root.appending("file").write("contents")
        }
      }
    }

    /// Programs that read, write, make and remove files until that fails.
    private static let load = """
      for number in 1 2 3 4 5 6; do
        (
          while :; do
            dd if=/dev/zero of=load$number bs=256k count=20 conv=notrunc status=none || break
            dd if=load$number of=/dev/null bs=4k count=200 iflag=direct status=none || break
            mkdir directory$number && rmdir directory$number && ls >/dev/null || break
          done
        ) 2>/dev/null &
        programs="${programs:-} $!"
      done
      """

    @Test(
      .enabled(if: isOffered, "the kernel does not offer FUSE over io_uring"),
      arguments: ["kill", "abort", "lazy unmount"])
    func endsUnderLoad(_ end: String) throws {
      for _ in 0..<3 {
        try Site.with { site in
          let mounted = try Mounted(
            site.image.path, at: site.point, Mounted.Plan(options: ["io_uring=on"]))
          #expect(try waitForRing(site))
          let programs = try Command(
            shell: "cd '\(site.point)' && \(Self.load)\nsleep 1; echo $programs", in: "/"
          ).succeed()
          switch end {
          case "kill": Daemon.kill(at: site.point)
          case "abort":
            // It stays mounted, since programs use it.
            _ = try Command(["umount", "--force", site.point.string]).run()
          default:
            // The connection lasts until the programs have ended.
            try Command(["umount", "--lazy", site.point.string]).succeed()
            let pids = programs.output.split { $0 == " " || $0 == "\n" }.compactMap { pid_t($0) }
            for program in pids { _ = kill(program, SIGTERM) }
          }
          try Mounted.waitForEnd(of: mounted.source)
          if MountTable.entry(at: site.point) != nil {
            try Command(["umount", "--lazy", site.point.string]).succeed()
          }
          // The journal is replayed, and e2fsck has nothing to say.
          try site.mount(options: ["io_uring=on"]) { root in
            try root.appending("after").write("contents")
          }
        }
      }
    }
  }
}
