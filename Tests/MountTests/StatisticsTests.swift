import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// `fuse4fs stats`, and the control socket behind it.
  @Suite struct StatisticsTests {
    /// What a test needs to know of one operation.
    private struct Counts: Equatable {
      var count = 0
      var errors = 0
      var bytes = 0

      static func - (later: Counts, earlier: Counts) -> Counts {
        Counts(
          count: later.count - earlier.count, errors: later.errors - earlier.errors,
          bytes: later.bytes - earlier.bytes)
      }
    }

    /// Where the daemons of a test that are not root's have their sockets.
    private func environment(_ site: Site) -> [String] { ["XDG_RUNTIME_DIR=\(site.scratch.path)"] }

    private func stats(
      _ site: Site, _ arguments: [String] = [], as user: TestUser? = nil
    ) throws -> Command.Result {
      try Command(
        [try Daemon.binary.get().string, "stats"] + arguments + [site.point.string], as: user,
        timeout: 30, environment: environment(site)
      ).run()
    }

    private func report(_ site: Site, as user: TestUser? = nil) throws -> [String: Any] {
      let result = try stats(site, ["--json"], as: user)
      try #require(result.succeeded, "\(result.description)")
      let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      return try #require(object as? [String: Any])
    }

    private func counts(_ site: Site, as user: TestUser? = nil) throws -> [String: Counts] {
      let requests = try #require(
        try report(site, as: user)["requests"] as? [String: [String: Any]])
      return try requests.mapValues { fields in
        Counts(
          count: try #require(fields["count"] as? Int),
          errors: try #require(fields["errors"] as? Int),
          bytes: try #require(fields["bytes"] as? Int))
      }
    }

    /// What `work` adds to the counts.
    private func difference(
      _ site: Site, as user: TestUser? = nil, _ work: () throws -> Void
    ) throws -> [String: Counts] {
      let before = try counts(site, as: user)
      try work()
      return try counts(site, as: user).reduce(into: [:]) { result, pair in
        result[pair.key] = pair.value - (before[pair.key] ?? Counts())
      }
    }

    @Test(arguments: [false, true], ["on", "off"])
    func whatIsDoneIsCounted(isRoot: Bool, sandbox: String) throws {
      let user = isRoot ? nil : try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        let plan = Mounted.Plan(
          options: ["sandbox=\(sandbox)", "fakeroot"], user: user, environment: environment(site))
        try site.mount(plan) { root in
          let work = """
            mkdir a b c d e; mkdir a/inside
            ! rmdir a 2>/dev/null
            dd if=/dev/zero of=file bs=100000 count=1 conv=fsync 2>/dev/null
            dd if=file of=/dev/null iflag=direct bs=100000 2>/dev/null
            """
          let done = try difference(site, as: user) {
            try Command(shell: work, as: user, in: root).succeed()
          }
          #expect(done["MKDIR"] == Counts(count: 6))
          #expect(done["RMDIR"] == Counts(count: 1, errors: 1))
          #expect(done["WRITE"]?.bytes == 100_000 && done["WRITE"]?.errors == 0)
          #expect(done["READ"]?.bytes == 100_000 && done["READ"]?.errors == 0)
          // Answered by another thread than the one that has read the request.
          #expect(done["FSYNC"] == Counts(count: 1))
          #expect(done["UNKNOWN"] == nil)
        }
      }
    }

    /// Requests that have no reply, and those that are answered late.
    @Test func requestsOfAllKinds() throws {
      try Site.with { site in
        try site.mount { root in
          let work = """
            import mmap, os
            file = os.open("file", os.O_RDWR | os.O_CREAT)
            os.pwrite(file, b"x" * 8192, 0)
            os.lseek(file, 0, os.SEEK_HOLE)
            os.close(file)
            direct = os.open("file", os.O_WRONLY | os.O_DIRECT)
            os.pwrite(direct, mmap.mmap(-1, 4096), 0)
            os.close(direct)
            os.unlink("file")
            """
          var done = try difference(site) {
            try Command(["python3", "-c", work], in: root).succeed()
          }
          #expect(done["LSEEK"]?.count == 1)
          #expect(done["WRITE"]?.bytes == 8192 + 4096)
          // The kernel forgets the file in its own time.
          for _ in 0..<100 where done["FORGET"] == nil && done["BATCH_FORGET"] == nil {
            usleep(50_000)
            done = try counts(site)
          }
          #expect((done["FORGET"]?.count ?? 0) + (done["BATCH_FORGET"]?.count ?? 0) > 0)
        }
      }
    }

    @Test func timesAddUp() throws {
      try Site.with { site in
        try site.mount { root in
          let work = "for i in $(seq 20); do echo $i >file; sync file; done; cat file"
          try Command(shell: work, in: root).succeed()
          let report = try report(site)
          let requests = try #require(report["requests"] as? [String: [String: Any]])
          func number(_ operation: String, _ field: String) throws -> Int {
            try #require(requests[operation]?[field] as? Int, "\(operation) \(field)")
          }
          for (name, fields) in requests {
            let histogram = try #require(fields["histogram"] as? [[Any]])
            let total = histogram.reduce(0) { $0 + ($1.last as? Int ?? 0) }
            #expect(try number(name, "count") == total, "\(name)")
            let most = try number(name, "max_ns")
            #expect(try number(name, "p50_ns") <= number(name, "p99_ns"))
            #expect(try number(name, "p99_ns") <= most)
            #expect(try most <= number(name, "time_ns"))
            #expect(try number(name, "time_ns") <= most * number(name, "count"))
          }
          // Each of these waits for the disk.
          #expect(try number("FSYNC", "device_wait_ns") > 0)
          #expect(try number("FSYNC", "device_wait_ns") < number("FSYNC", "time_ns"))
          let waits = try #require(report["waits"] as? [String: [String: Int]])
          #expect(try #require(waits["flush"]?["count"]) >= 20)
          let journal = try #require(report["journal"] as? [String: Int])
          #expect(try #require(journal["transactions"]) >= 20)
          #expect(try #require(report["commits"] as? Int) >= 20)
          let caches = try #require(report["caches"] as? [String: [String: Int]])
          #expect(try #require(caches["inodes"]?["hits"]) > 20)
          #expect(try #require(caches["blocks"]?["misses"]) > 0)
          #expect(report["iomap"] is NSNull)
          #expect(report["format"] as? Int == 1)
        }
      }
    }

    /// The text format of Prometheus, read as its parser reads it.
    @Test func metricsForPrometheus() throws {
      try Site.with { site in
        try site.mount { root in
          try Command(shell: "mkdir a b c; ls", in: root).succeed()
          let result = try stats(site, ["--prometheus"])
          #expect(result.succeeded, "\(result.description)")
          var kinds: [String: String] = [:]
          var samples: [String: [(labels: String, value: Double)]] = [:]
          for line in result.lines {
            if let type = line.wholeMatch(of: /# TYPE ([a-z0-9_]+) (counter|gauge|histogram)/) {
              #expect(kinds.updateValue(String(type.2), forKey: String(type.1)) == nil)
              continue
            }
            if line.hasPrefix("# HELP ") { continue }
            let sample = try #require(
              line.wholeMatch(
                of: /([a-z0-9_]+)\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\} ([0-9.]+)/), "\(line)")
            let family = String(sample.1).replacing(/_(bucket|sum|count)$/, with: "")
            #expect(kinds[String(sample.1)] != nil || kinds[family] == "histogram", "\(line)")
            samples[String(sample.1), default: []].append(
              (String(sample.2), try #require(Double(sample.3))))
          }
          for (name, kind) in kinds where kind == "counter" { #expect(name.hasSuffix("_total")) }
          let requests = try #require(samples["fuse4fs_requests_total"])
          #expect(requests.first { $0.labels.contains("\"MKDIR\"") }?.value == 3)
          let buckets = try #require(samples["fuse4fs_request_duration_seconds_bucket"])
            .filter { $0.labels.contains("\"MKDIR\"") }.map(\.value)
          #expect(buckets == buckets.sorted() && buckets.last == 3)
        }
      }
    }

    @Test func theTableHasALineForEachOperation() throws {
      try Site.with { site in
        try site.mount { root in
          try Command(shell: "mkdir a b c; ls", in: root).succeed()
          let result = try stats(site)
          let words = result.lines.map { $0.split(separator: " ").map(String.init) }
          #expect(words.contains { $0.starts(with: ["operation", "count", "errors", "bytes"]) })
          #expect(words.contains { $0.starts(with: ["MKDIR", "3", "0", "0"]) }, "\(result)")
          #expect(result.output.contains(site.image.path.string))
        }
      }
    }
  }
}
