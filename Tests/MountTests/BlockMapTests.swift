import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// FIBMAP, which the kernel passes on for mounts of block devices.
  @Suite struct BlockMapTests {
    @Test(arguments: [("ext4", 4096), ("ext4", 1024), ("ext2", 1024)])
    func tellsWhereBlocksAre(type: String, blockSize: Int) throws {
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
          let fragment = blockSize < 4096 ? 4096 / blockSize : 1
          #expect(try Syscall.deviceBlock(file, at: 100 * fragment) == 0, "a hole")
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

    @Test func dataInInodesIsNowhere() throws {
      try Site.with(features: ["inline_data"]) { site throws in
        try LoopDevice.with(site.image.path) { device in
          let mounted = try Mounted(device, at: site.point)
          defer { _ = try? mounted.unmount() }
          try site.point.appending("file").write("tiny")
          try Syscall.withOpen(site.point.appending("file"), O_RDONLY) { (file) throws(Errno) in
            let place = try Syscall.deviceBlock(file, at: 0)
            #expect(place == 0)
          }
        }
      }
    }
  }
}
