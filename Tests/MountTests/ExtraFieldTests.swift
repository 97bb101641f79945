import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Inodes from a time when fewer fields were wanted: they grow with the next change, and their attributes make room, as with the
  /// kernel's ext4.
  @Suite struct ExtraFieldTests {
    /// So many attributes of 24 bytes each: 256 bytes are in the inode, the rest in a block, which is full in the end.
    private static let counts = [0, 4, 7, 8, 10, 11, 100, 177, 178, 179]

    private static func name(_ count: Int) -> String { "with\(count)" }

    /// What becomes of files made with 640 bytes of fields when 720 are wanted, and 656 needed: bytes of fields, and attributes.
    private func grown(
      by mount: (Site, (FilePath) throws -> Void) throws -> Void
    ) throws -> [String] {
      var found: [String] = []
      try Site.with(options: ["-I", "1024"]) { site in
        try want(640, atLeast: 640, site)
        try mount(site) { root throws in
          for count in Self.counts {
            let file = root.appending(Self.name(count))
            try file.write()
            for index in 0..<count {
              // The last ones may find no room.
              _ = try? Syscall.setXattr(file, "user.\(index)", Array("aa".utf8))
            }
          }
        }
        try want(720, atLeast: 656, site)
        try mount(site) { root throws in
          for count in Self.counts { try root.appending(Self.name(count)).write("aaaa") }
        }
        try site.image.check()
        for count in Self.counts {
          let status = try site.image.debugfs("stat /\(Self.name(count))")
          let size = try #require(status.firstMatch(of: /Size of extra inode fields: (\d+)/))
          found.append("\(count): \(size.output.1)")
        }
        try site.kernel(options: ["ro"]) { root throws in
          for count in Self.counts {
            let file = root.appending(Self.name(count)).string
            found += try Command(["getfattr", "-d", "--absolute-names", file]).succeed().lines
              .filter { $0.hasPrefix("user.") }.sorted()
          }
        }
      }
      return found
    }

    private func want(_ size: Int, atLeast minimum: Int, _ site: Site) throws {
      try site.image.debugfs("ssv want_extra_isize \(size)", write: true)
      try site.image.debugfs("ssv min_extra_isize \(minimum)", write: true)
    }

    @Test func growAsTheKernelGrowsThem() throws {
      let right = try grown { site, body in try site.kernel(body) }
      let ours = try grown { site, body in try site.mount(body) }
      #expect(ours == right)
      // All three outcomes are among them.
      for size in [640, 656, 720] { #expect(right.contains { $0.hasSuffix(": \(size)") }) }
    }
  }
}
