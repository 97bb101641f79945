import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// FITRIM and `discard`: which blocks the device is told are not needed.
  @Suite struct TrimTests {
    private static let trim: UInt32 = 0xC018_5879

    private struct Range: BitwiseCopyable {
      var start: UInt64
      var length: UInt64
      var minimum: UInt64
    }

    /// None that ends within free blocks: the kernel goes on to their end, and we do not.
    private static let ranges = [
      Range(start: 1 << 20, length: 3 << 20, minimum: 0),
      Range(start: 1 << 40, length: 4096, minimum: 0),
      // No less than what a loop device discards at a time.
      Range(start: 0, length: .max, minimum: 4096), Range(start: 0, length: .max, minimum: 1 << 20),
      Range(start: 0, length: 4096, minimum: 0), Range(start: 0, length: 100, minimum: 0),
      Range(start: 1 << 40, length: .max, minimum: 0),
      Range(start: 0, length: .max, minimum: 1 << 40),
    ]

    /// The bytes trimmed for each range; nil for EINVAL.
    private func trim(_ root: FilePath) throws -> [UInt64?] {
      try Syscall.withOpen(root, O_RDONLY) { (open) throws(Errno) in
        var counts: [UInt64?] = []
        for range in Self.ranges {
          do throws(Errno) {
            counts.append(try Syscall.control(open, Self.trim, range).length)
          } catch {
            guard error == .invalidArgument else { throw error }
            counts.append(nil)
          }
        }
        return counts
      }
    }

    private func allocated(_ image: Image) throws -> Int {
      Int(try Syscall.lstat(image.path).st_blocks) * 512
    }

    /// Files with a gap between each two.
    private func fill(_ root: FilePath) throws {
      for number in 0..<40 {
        try root.appending("\(number)").write(SeededGenerator.bytes(500_000, seed: UInt64(number)))
      }
      try Syscall.withOpen(root, O_RDONLY, Syscall.syncfs)
      for number in stride(from: 1, to: 40, by: 2) {
        try Syscall.unlink(root.appending("\(number)"))
      }
    }

    private func expectContents(_ root: FilePath) throws {
      for number in stride(from: 0, to: 40, by: 2) {
        let bytes = try root.appending("\(number)").bytes()
        #expect(bytes == SeededGenerator.bytes(500_000, seed: UInt64(number)))
      }
    }

    @Test(arguments: [4096, 1024])
    func sameAsTheKernel(blockSize: Int) throws {
      try Site.with(blockSize: blockSize, options: ["-E", "nodiscard"]) { site throws in
        let twin = Image(existing: site.scratch.appending("twin.img"))
        try site.kernel { root throws in try fill(root) }
        try Command(["cp", "--sparse=never", site.image.path.string, twin.path.string]).succeed()
        let before = try allocated(twin)
        let right = try site.kernel { root throws in try trim(root) }
        try Mounted.with(twin, at: site.point) { mounted throws in
          #expect(try trim(mounted.point) == right)
          #expect(right[2] ?? 0 > 20 << 20)
          try expectContents(mounted.point)
        }
        #expect(before - (try allocated(twin)) > 20 << 20)
        try KernelMount.with(twin, at: site.point) { root throws in try expectContents(root) }
      }
    }

    /// What has just been deleted, too; and what is freed after a trim is there for the next one.
    @Test func whatWasDeletedIsTrimmed() throws {
      try Site.with { site in
        try site.mount { root throws in
          try fill(root)
          let first = try trim(root)[2] ?? 0
          #expect(first > 20 << 20)
          #expect(try trim(root)[2] == 0, "all is trimmed")
          try Syscall.unlink(root.appending("0"))
          let deadline = Moment.now.seconds + 20
          var second: UInt64 = 0
          // The kernel forgets the file, and only then it is freed.
          while second == 0, Moment.now.seconds < deadline {
            second = try trim(root)[2] ?? 0
          }
          #expect(second >= 500_000)
          try root.appending("0").write(SeededGenerator.bytes(500_000, seed: 0))
          try expectContents(root)
        }
      }
    }

    @Test(arguments: [[], ["^has_journal"]])
    func discardKeepsAnImageSmall(features: [String]) throws {
      try Site.with(features: features) { site throws in
        for (options, isKept) in [([], false), (["discard"], true)] {
          let before = try allocated(site.image)
          try site.mount(options: options) { root throws in
            try root.appending("large").write(SeededGenerator.bytes(8 << 20, seed: 1))
            try Syscall.withOpen(root.appending("large"), O_RDONLY, Syscall.fsync)
            try Syscall.unlink(root.appending("large"))
            let deadline = Moment.now.seconds + 20
            // The kernel forgets the file, and a commit frees its blocks.
            while isKept, try allocated(site.image) - before > 4 << 20,
              Moment.now.seconds < deadline
            {
              try Syscall.withOpen(root, O_RDONLY, Syscall.fsync)
              usleep(20_000)
            }
          }
          #expect((try allocated(site.image) - before < 4 << 20) == isKept)
          try Command(["fallocate", "--dig-holes", site.image.path.string]).succeed()
        }
      }
    }

    @Test func aBlockDevice() throws {
      try Site.with { site in
        try LoopDevice.with(site.image.path) { device in
          let mounted = try Mounted(device, at: site.point)
          defer { _ = try? mounted.unmount() }
          try fill(site.point)
          let before = try allocated(site.image)
          #expect(try trim(site.point)[2] ?? 0 > 20 << 20)
          #expect(try allocated(site.image) < before)
          try expectContents(site.point)
        }
        try site.image.check()
      }
    }
  }
}
