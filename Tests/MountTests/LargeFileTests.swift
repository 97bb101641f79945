import CLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Files beyond 4 GiB and files of many extents.
  @Suite struct LargeFileTests {
    @Test(arguments: ["ext4", "ext3"])
    func farBeyond4GiB(type: String) throws {
      let offsets = [0, (4 << 30) - 3, 5 << 30, 1 << 40]
      try Site.with(type: type) { site in
        func verify(_ root: FilePath) throws {
          let file = root.appending("file")
          #expect(try Syscall.lstat(file).st_size == (1 << 40) + 6)
          try Syscall.withOpen(file, O_RDONLY) { (open) throws(Errno) in
            for offset in offsets {
              #expect(try Syscall.read(open, count: 6, at: offset) == Array("marker".utf8))
            }
            #expect(try Syscall.read(open, count: 6, at: 3 << 30) == [0, 0, 0, 0, 0, 0])
            #expect(try Syscall.seekData(open, from: 6 << 30) == 1 << 40)
          }
          #expect(try Syscall.lstat(file).st_blocks < 300)
        }
        try site.mount { root in
          try Syscall.withOpen(root.appending("file"), O_RDWR | O_CREAT) { (open) throws(Errno) in
            for offset in offsets { try Syscall.write(open, Array("marker".utf8), at: offset) }
          }
          try verify(root)
        }
        try site.mount(verify)
        try site.kernel(verify)
        try site.mount { root in
          try Syscall.truncate(root.appending("file"), size: 5 << 30)
          #expect(try Syscall.lstat(root.appending("file")).st_size == 5 << 30)
          try Syscall.unlink(root.appending("file"))
        }
      }
    }

    /// With every other block punched, 1 KiB blocks need three levels: 84 extents fit a block.
    @Test(arguments: [1024, 4096])
    func thousandsOfFragments(blockSize: Int) throws {
      let count = 8000
      let pattern = SeededGenerator.bytes(blockSize, seed: 4)
      try Site.with(size: "128M", blockSize: blockSize) { site in
        func verify(_ root: FilePath) throws {
          let bytes = try root.appending("file").bytes()
          try #require(bytes.count == count * blockSize)
          for index in 0..<count {
            let block = bytes[index * blockSize..<(index + 1) * blockSize]
            let right = index % 2 == 0 ? block.elementsEqual(pattern) : block.allSatisfy { $0 == 0 }
            guard right else {
              Issue.record("block \(index) is wrong")
              return
            }
          }
        }
        try site.mount { root in
          let open = try Syscall.open(root.appending("file"), O_RDWR | O_CREAT)
          defer { try? Syscall.close(open) }
          let whole = Array(repeatElement(pattern, count: count).joined())
          try #require(try Syscall.write(open, whole, at: 0) == whole.count)
          let punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
          for index in stride(from: 1, to: count, by: 2) {
            try Syscall.fallocate(
              open, mode: punch, offset: index * blockSize, length: blockSize)
          }
          try verify(root)
        }
        try site.mount(verify)
        try site.kernel(verify)
        let tree = try site.image.debugfs("dump_extents /file")
        #expect(tree.split(separator: "\n").count > count / 2)

        // Filling the holes again joins or at least keeps what was there.
        try site.mount { root in
          let open = try Syscall.open(root.appending("file"), O_RDWR)
          defer { try? Syscall.close(open) }
          for index in stride(from: 1, to: count, by: 2) {
            try Syscall.write(open, [UInt8(index % 251)], at: index * blockSize)
          }
          for index in [1, 2001, 7999] {
            let block = try Syscall.read(open, count: blockSize, at: index * blockSize)
            #expect(block[0] == UInt8(index % 251) && block[1...].allSatisfy { $0 == 0 })
          }
          try Syscall.ftruncate(open, size: blockSize * 3)
          #expect(try Syscall.fstat(open).st_blocks <= blockSize / 512 * 5)
        }
      }
    }

    @Test func fragmentsWrittenBackwards() throws {
      let count = 3000
      try Site.with { site in
        func verify(_ root: FilePath) throws {
          let bytes = try root.appending("file").bytes()
          #expect(bytes.count == (count - 1) * 8192 + 1)
          #expect((0..<count).allSatisfy { bytes[$0 * 8192] == UInt8($0 % 255 + 1) })
        }
        try site.mount { root in
          let open = try Syscall.open(root.appending("file"), O_RDWR | O_CREAT)
          defer { try? Syscall.close(open) }
          for index in (0..<count).reversed() {
            try Syscall.write(open, [UInt8(index % 255 + 1)], at: index * 8192)
          }
          try verify(root)
        }
        try site.kernel(verify)
      }
    }
  }
}
