import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Callers that are killed while the daemon serves them: they go, and nothing of them keeps the mount from ending.
  @Suite struct InterruptionTests {
    /// Where the third level of a block map begins, in bytes.
    fileprivate static let thirdLevel = (12 + 1024 + 1024 * 1024) * 4096

    /// A sparse file system of 1 TiB, with a file whose map leads from three arrays of pointers to 2^28 places, so that to look for a
    /// hole takes minutes.
    private func withEndlessFile(_ body: (Site) throws -> Void) throws {
      try Site.with(
        size: "1T", features: ["^has_journal", "^metadata_csum", "^resize_inode"],
        options: ["-N", "100000", "-E", "lazy_itable_init=1"]
      ) { site in
        try site.image.debugfs("write /dev/null file", write: true)
        let arrays = [100_000, 100_001, 100_002]
        for (field, value) in [
          ("flags", 0), ("block[TIND]", arrays[0]), ("size", Self.thirdLevel + (1 << 40)),
        ] {
          try site.image.debugfs("set_inode_field file \(field) \(value)", write: true)
        }
        let image = try Syscall.open(site.image.path, O_RDWR)
        defer { close(image) }
        for (level, array) in arrays.enumerated() {
          let pointers = (0..<1024).map { slot in
            UInt32(level < 2 ? arrays[level + 1] : 200_000 + 2 * slot)
          }
          try Syscall.write(
            image, pointers.withUnsafeBytes { Array($0) }, at: array * 4096)
        }
        try body(site)
      }
    }

    /// A program that makes one call, which takes long.
    private struct Caller {
      let process: Process

      init(_ call: String, _ path: FilePath) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = [
          "-c", "import os, sys; f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); \(call)",
          path.string,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        // It has called by then, and is not back.
        usleep(700_000)
        guard process.isRunning else { throw Failure("the call took no time") }
      }

      /// Kills it, and returns how many milliseconds it took to go.
      func kill() -> Int {
        let start = InterruptionTests.milliseconds
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        return InterruptionTests.milliseconds - start
      }
    }

    fileprivate static var milliseconds: Int {
      var now = timespec()
      clock_gettime(CLOCK_MONOTONIC, &now)
      return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    private static let search = "os.lseek(f, \(InterruptionTests.thirdLevel), os.SEEK_HOLE)"

    @Test(.timeLimit(.minutes(2))) func aKilledCallerGoes() throws {
      try withEndlessFile { site in
        try site.mount(Mounted.Plan(check: false, timeout: 60)) { root in
          let taken = try Caller(Self.search, root.appending("file")).kill()
          #expect(taken < 1000, "\(taken) ms")
          // Other requests are answered.
          _ = try Syscall.stat(root.appending("file"))
        }
      }
    }

    @Test(.timeLimit(.minutes(2))) func theDaemonEndsWithACallerInIt() throws {
      try withEndlessFile { site in
        let mounted = try Mounted(
          site.image.path, at: site.point, Mounted.Plan(check: false, timeout: 60))
        let caller = try Caller(Self.search, site.point.appending("file"))
        let start = Self.milliseconds
        // The second asks not to wait for processes that still use the file system.
        Daemon.kill(at: site.point, signal: SIGTERM)
        usleep(100_000)
        Daemon.kill(at: site.point, signal: SIGTERM)
        try Mounted.waitForEnd(of: mounted.source)
        let taken = Self.milliseconds - start
        #expect(taken < 2000, "\(taken) ms")
        caller.process.waitUntilExit()
      }
    }
  }
}
