import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// The daemon gets less memory than it asks for (RLIMIT_AS, `ulimit -v`). Swift's runtime ends a process that gets none; what that
  /// leaves must be an image that says that it was not unmounted, and of which nothing is lost that was synchronized.
  @Suite struct MemoryLimitTests {
    private static let mebibyte = 1 << 20

    /// From what the program itself takes up to enough: either it is mounted, or the command says why not, and nothing is mounted.
    @Test func atTheStart() throws {
      try Site.with { site in
        let daemon = try Daemon.binary.get().string
        var mounts = 0
        var refusals: Set<Int> = []
        for limit in [24, 32, 36, 40, 44, 48, 56, 64, 96, 128, 256, 1024] {
          let result = try Command(
            [
              "prlimit", "--as=\(limit * Self.mebibyte)", daemon, site.image.path.string,
              site.point.string,
            ]).run()
          if result.succeeded {
            mounts += 1
            #expect(MountTable.entry(at: site.point) != nil)
            try Command(["umount", site.point.string]).succeed()
            try Mounted.waitForEnd(of: site.image.path)
          } else {
            refusals.insert(result.status)
            #expect(!(result.output + result.errors).isEmpty, "\(limit) MiB: \(result.status)")
            #expect(MountTable.entry(at: site.point) == nil, "\(limit) MiB")
            _ = try Command(["umount", "--lazy", site.point.string]).run()
          }
          try requireWhole(site, "\(limit) MiB")
        }
        print("\(mounts) mounts, refused with \(refusals.sorted())")
        #expect(mounts > 0 && !refusals.isEmpty)
      }
    }

    /// Under work that takes memory: large directories and files, many clients.
    @Test(arguments: [[], ["^has_journal"]]) func underLoad(features: [String]) throws {
      var ended = 0
      var lived = 0
      for limit in [64, 96, 128, 256] {
        try Site.with(size: "256M", features: features, options: ["-N", "20000"]) { site in
          let result = try Command(
            [
              "prlimit", "--as=\(limit * Self.mebibyte)", try Daemon.binary.get().string,
              site.image.path.string, site.point.string,
            ]
          ).run()
          guard result.succeeded else { return }
          let script = """
            cd '\(site.point)'
            echo kept > kept && sync kept && echo saved
            for client in 1 2 3 4; do
              ( mkdir d$client
                seq -f "d$client/a-file-with-a-long-name-%g" 3000 | xargs touch
                dd if=/dev/zero of=large$client bs=1M count=24
                ls -lR d$client; cat large$client ) > /dev/null 2>&1 &
            done
            wait
            """
          let work = try Command(["sh", "-c", script], timeout: 50).run()
          #expect(work.output.contains("saved"))
          if Daemon.processes(at: site.point).isEmpty {
            ended += 1
            let state =
              try site.image.superblock("Filesystem state")
              + site.image.superblock("Filesystem features")
            #expect(state.contains("not clean") || state.contains("needs_recovery"), "\(limit) MiB")
          } else {
            lived += 1
          }
          _ = try Command(["umount", "--lazy", site.point.string]).run()
          try Mounted.waitForEnd(of: site.image.path)
          if features.isEmpty {
            try site.mount { root throws in
              #expect(try root.appending("kept").text() == "kept\n")
            }
          } else {
            #expect(
              try Command(["e2fsck", "-fy", site.image.path.string], timeout: 120).run().status <= 1
            )
          }
        }
      }
      print("\(features): \(lived) lived, \(ended) ended")
      #expect(lived > 0)
    }

    /// Once it has been mounted with enough memory, e2fsck has nothing to say.
    private func requireWhole(_ site: Site, _ occasion: String) throws {
      do {
        try site.mount { _ in }
      } catch {
        Issue.record("\(occasion): \(error)")
      }
    }
  }
}
