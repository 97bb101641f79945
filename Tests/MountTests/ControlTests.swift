import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Ioctls that tell and change little things, as the kernel's ext4 answers them.
  @Suite struct ControlTests {
    private static let getVersion: UInt32 = 0x8008_7601
    private static let setVersion: UInt32 = 0x4008_7602
    private static let getExt4Version: UInt32 = 0x8008_6603
    private static let getLabel: UInt32 = 0x8100_9431
    private static let setLabel: UInt32 = 0x4100_9432
    private static let precache: UInt32 = 0x6612
    private static let checkpoint: UInt32 = 0x4004_662B
    private static let unknown: UInt32 = 0x4004_FF99

    /// What came of a call: the bytes, or the errno.
    private typealias Outcome = Result<[UInt8], Errno>

    private func outcome(_ body: () throws(Errno) -> [UInt8]) -> Outcome {
      do throws(Errno) {
        return .success(try body())
      } catch {
        return .failure(error)
      }
    }

    private static func label(_ text: String) -> [UInt8] {
      Array(text.utf8) + [UInt8](repeating: 0, count: 256 - text.utf8.count)
    }

    private func calls(_ root: FilePath) throws -> [Outcome] {
      let path = root.appending("file")
      try path.write("x")
      let file = try Syscall.open(path, O_RDWR)
      let directory = try Syscall.open(root, O_RDONLY)
      defer {
        close(file)
        close(directory)
      }
      let stale = [UInt8](repeating: 0xAA, count: 256)
      let calls: [(CInt, UInt32, [UInt8])] = [
        (file, Self.setVersion, [0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0]),
        (file, Self.precache, []), (directory, Self.precache, []),
        (directory, Self.setLabel, Self.label("")), (directory, Self.getLabel, stale),
        (directory, Self.setLabel, Self.label("sixteen letters!")),
        (directory, Self.getLabel, stale),
        (directory, Self.setLabel, Self.label("seventeen letters")),
        (directory, Self.setLabel, Self.label("short")), (file, Self.getLabel, stale),
        (directory, Self.checkpoint, [0, 0, 0, 0]), (directory, Self.checkpoint, [4, 0, 0, 0]),
        (directory, Self.checkpoint, [1, 0, 0, 0]), (directory, Self.checkpoint, [2, 0, 0, 0]),
        (directory, Self.checkpoint, [3, 0, 0, 0]), (directory, Self.checkpoint, [8, 0, 0, 0]),
        (directory, Self.unknown, [0, 0, 0, 0]),
      ]
      return calls.map { call in
        outcome { () throws(Errno) in try Syscall.control(call.0, call.1, call.2) }
      }
    }

    @Test(arguments: [[], ["^metadata_csum"], ["^has_journal"]])
    func sameAsTheKernel(features: [String]) throws {
      try Site.with(features: features) { site throws in
        let right = try site.kernel { root throws in try calls(root) }
        try site.mount { root throws in
          #expect(try calls(root) == right)
        }
        #expect(try site.image.superblock("Filesystem volume name") == "short")
      }
    }

    @Test func generationsAreThoseOnDisk() throws {
      try Site.with(features: ["^metadata_csum"]) { site throws in
        let file = site.point.appending("file")
        func generation(_ command: UInt32) throws -> UInt32 {
          try Syscall.withOpen(file, O_RDONLY) { (open) throws(Errno) in
            UInt32(truncatingIfNeeded: try Syscall.control(open, command, UInt64(0)))
          }
        }
        let first = try site.mount { _ throws in
          try file.write("x")
          let generation = try generation(Self.getVersion)
          #expect(generation != 0)
          #expect(
            try Command(["lsattr", "-v", file.string]).succeed().output.contains("\(generation)"))
          return generation
        }
        try site.kernel { _ throws in #expect(try generation(Self.getVersion) == first) }
        try site.mount(options: ["allow_other"]) { _ throws in
          #expect(throws: Errno.notPermitted) {
            try Syscall.asUser(4321) {
              try Syscall.withOpen(file, O_RDONLY) { (open) throws(Errno) in
                _ = try Syscall.control(open, Self.setVersion, UInt64(5))
              }
            }
          }
          try Command(["chattr", "-v", "123456", file.string]).succeed()
          #expect(try generation(Self.getExt4Version) == 123_456)
          // The kernel goes on knowing the file, by another name as well.
          try Syscall.link(file, site.point.appending("link"))
          #expect(try site.point.appending("link").text() == "x")
        }
        try site.kernel { _ throws in #expect(try generation(Self.getVersion) == 123_456) }
      }
    }

    @Test func administratorsOnly() throws {
      try onMount(mount: ["allow_other"]) { root throws in
        let trim: [UInt8] =
          [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 0xFF, count: 8)
          + [UInt8](repeating: 0, count: 8)
        for (command, bytes) in [
          (Self.setLabel, Self.label("mine")), (Self.checkpoint, [0, 0, 0, 0]),
          (0xC018_5879, trim), (0x8004_587D, [2, 0, 0, 0]),
        ] as [(UInt32, [UInt8])] {
          #expect(throws: Errno.notPermitted) {
            try Syscall.asUser(4321) {
              try Syscall.withOpen(root, O_RDONLY) { (open) throws(Errno) in
                _ = try Syscall.control(open, command, bytes)
              }
            }
          }
        }
        try root.appending("file").write("still works")
      }
    }
  }
}
