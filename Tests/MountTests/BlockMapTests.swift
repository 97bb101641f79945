import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// FIBMAP, which the kernel passes on for mounts of block devices.
  @Suite struct BlockMapTests {
    @Test(arguments: ["ext4", "ext2"])
    func tellsWhereBlocksAre(type: String) throws {
      let blockSize = 4096
      try Site.with(type: type, features: ["^inline_data"], blockSize: blockSize) { site throws in
        let pieces = [0, 3, 300, 20_000]
        let places = try LoopDevice.with(site.image.path) { device in
          let mounted = try Mounted(device, at: site.point)
          defer { _ = try? mounted.unmount() }
          let file = try Syscall.open(site.point.appending("file"), O_RDWR | O_CREAT)
          defer { close(file) }
          for piece in pieces {
            let bytes = [UInt8](repeating: UInt8(piece % 251 + 1), count: blockSize)
            try Syscall.write(file, bytes, at: piece * blockSize)
          }
          // What the kernel has in its cache gets its place by the question.
          let places = try pieces.map { try Syscall.deviceBlock(file, at: $0) }
          #expect(Set(places).count == pieces.count && !places.contains(0))
          #expect(try Syscall.deviceBlock(file, at: 100) == 0, "a hole")
          #expect(try Syscall.deviceBlock(file, at: 100_000) == 0, "behind the end")
          #expect(try Syscall.control(file, 2, Int32(0)) == Int32(blockSize), "FIGETBSZ")
          return places
        }
        let image = try Syscall.open(site.image.path, O_RDONLY)
        defer { close(image) }
        for (piece, place) in zip(pieces, places) {
          let bytes = try Syscall.read(image, count: blockSize, at: place * blockSize)
          #expect(bytes == [UInt8](repeating: UInt8(piece % 251 + 1), count: blockSize))
        }
        try site.kernel { root throws in
          try Syscall.withOpen(root.appending("file"), O_RDONLY) { (file) throws(Errno) in
            for (piece, place) in zip(pieces, places) {
              let right = try Syscall.deviceBlock(file, at: piece)
              #expect(right == place)
            }
          }
        }
      }
    }

    /// The kernel counts in pages from 6.17 on, which need not be in one piece then: nothing is better than something wrong.
    @Test func smallBlocksAreThereOrNowhere() throws {
      try Site.with(blockSize: 1024) { site in
        let (places, unit) = try LoopDevice.with(site.image.path) { device throws in
          let mounted = try Mounted(device, at: site.point)
          defer { _ = try? mounted.unmount() }
          let file = try Syscall.open(site.point.appending("file"), O_RDWR | O_CREAT)
          defer { close(file) }
          let unit = Int(try Syscall.control(file, 2, Int32(0)))
          try Syscall.write(file, SeededGenerator.bytes(64 * unit, seed: 3), at: 0)
          return (try (0..<64).map { try Syscall.deviceBlock(file, at: $0) }, unit)
        }
        let right = SeededGenerator.bytes(64 * unit, seed: 3)
        let image = try Syscall.open(site.image.path, O_RDONLY)
        defer { close(image) }
        for (index, place) in places.enumerated() where place != 0 {
          let bytes = try Syscall.read(image, count: unit, at: place * unit)
          #expect(bytes == Array(right[index * unit..<(index + 1) * unit]))
        }
      }
    }

    @Test func dataInInodesIsNowhere() throws {
      try Site.with(features: ["inline_data"]) { site in
        try site.kernel { root throws in try root.appending("file").write("tiny") }
        try LoopDevice.with(site.image.path) { device throws in
          let mounted = try Mounted(device, at: site.point)
          defer { _ = try? mounted.unmount() }
          try Syscall.withOpen(site.point.appending("file"), O_RDONLY) { (file) throws(Errno) in
            let place = try Syscall.deviceBlock(file, at: 0)
            #expect(place == 0)
          }
        }
      }
    }
  }
}
