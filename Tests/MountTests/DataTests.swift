import CLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// The contents of files.
  @Suite struct DataTests {
    @Test func readAndWriteAnywhere() throws {
      try onMount { root in
        let file = root.appending("file")
        let data = SeededGenerator.bytes(100_000, seed: 1)
        try Syscall.withOpen(file, O_RDWR | O_CREAT) { (open) throws(Errno) in
          #expect(try Syscall.write(open, data, at: 4095) == data.count)
          #expect(try Syscall.read(open, count: 200_000, at: 4095) == data)
          #expect(try Syscall.read(open, count: 4095, at: 0).allSatisfy { $0 == 0 })
          #expect(try Syscall.read(open, count: 10, at: 104_095).isEmpty)
          #expect(try Syscall.read(open, count: 10, at: 1 << 50).isEmpty)
          #expect(try Syscall.write(open, [], at: 1 << 20) == 0)
        }
        #expect(try Syscall.lstat(file).st_size == 104_095)
      }
    }

    @Test func appendingGoesToTheEnd() throws {
      try onMount { root in
        let file = root.appending("file")
        let flags = O_WRONLY | O_CREAT | O_APPEND
        let first = try Syscall.open(file, flags)
        let second = try Syscall.open(file, flags)
        for (index, open) in [first, second, first, second].enumerated() {
          try Syscall.write(open, Array("\(index)".utf8), at: 0)
        }
        try Syscall.close(first)
        try Syscall.close(second)
        #expect(try file.text() == "0123")
      }
    }

    @Test func truncatingBothWays() throws {
      try onMount { root in
        let file = root.appending("file")
        try file.write([UInt8](repeating: 7, count: 10_000))
        try Syscall.truncate(file, size: 5000)
        try Syscall.truncate(file, size: 20_000)
        let bytes = try file.bytes()
        #expect(bytes[..<5000].allSatisfy { $0 == 7 })
        #expect(bytes[5000...].allSatisfy { $0 == 0 } && bytes.count == 20_000)
        try Syscall.close(try Syscall.open(file, O_WRONLY | O_TRUNC))
        #expect(try Syscall.lstat(file).st_size == 0)
        #expect(try Syscall.lstat(file).st_blocks == 0)
        #expect(throws: Errno.invalidArgument) { try Syscall.truncate(file, size: -1) }
        // 16 TiB and more cannot be addressed with blocks of 4 KiB.
        #expect(throws: Errno.fileTooLarge) { try Syscall.truncate(file, size: 1 << 44) }
      }
    }

    @Test func unlinkedFilesLiveUntilClosed() throws {
      try Site.with { site in
        try site.mount { root in
          let file = root.appending("file")
          try file.write([UInt8](repeating: 1, count: 1 << 20))
          let free = try Syscall.withOpen(root, O_RDONLY, Syscall.fstatvfs).f_bfree
          let open = try Syscall.open(file, O_RDWR)
          try Syscall.unlink(file)
          #expect(try Syscall.fstat(open).st_nlink == 0)
          try Syscall.write(open, Array("still here".utf8), at: 500_000)
          #expect(try Syscall.read(open, count: 10, at: 500_000) == Array("still here".utf8))
          try Syscall.ftruncate(open, size: 2 << 20)
          #expect(try Syscall.read(open, count: 1, at: 0) == [1])
          #expect(try Syscall.fstat(open).st_size == 2 << 20)
          try Syscall.fchmod(open, mode: 0o600)
          try Syscall.close(open)
          // The release may follow the close a moment later.
          var after = free
          for _ in 0..<100 where after == free {
            usleep(20_000)
            after = try Syscall.withOpen(root, O_RDONLY, Syscall.fstatvfs).f_bfree
          }
          #expect(after >= free + 256)
        }
      }
    }

    @Test func sharedMappings() throws {
      try Site.with { site in
        let file = site.point.appending("file")
        try site.mount { root in
          try file.write([UInt8](repeating: 1, count: 10_000))
          let open = try Syscall.open(file, O_RDWR)
          try Syscall.withMapping(
            open, offset: 4000, count: 2000, protection: PROT_READ | PROT_WRITE
          ) { memory in
            #expect(memory.allSatisfy { $0 == 1 })
            memory.initializeMemory(as: UInt8.self, repeating: 2)
          }
          #expect(try Syscall.read(open, count: 1, at: 4500) == [2], "a mapping is the file")
          try Syscall.write(open, [3], at: 4500)
          let seen = try Syscall.withMapping(open, offset: 4500, count: 1, protection: PROT_READ) {
            $0[0]
          }
          #expect(seen == 3, "what is written shows in a mapping")
          try Syscall.close(open)
        }
        try site.kernel { _ in
          let bytes = try file.bytes()
          #expect(bytes[3999] == 1 && bytes[4000] == 2 && bytes[4500] == 3 && bytes[5999] == 2)
          #expect(bytes[6000] == 1)
        }
      }
    }

    @Test func privateMappings() throws {
      try onMount { root in
        let file = root.appending("file")
        try file.write("original")
        try Syscall.withOpen(file, O_RDONLY) { (open) throws(Errno) in
          try Syscall.withMapping(
            open, offset: 0, count: 8, protection: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE
          ) { memory in
            #expect(memory[0] == UInt8(ascii: "o"))
            memory[0] = 0
          }
        }
        #expect(try file.text() == "original")
      }
    }

    @Test func directAccessAgreesWithCached() throws {
      try onMount { root in
        let file = root.appending("file")
        let data = SeededGenerator.bytes(1 << 20, seed: 2)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        let direct = try Syscall.open(file, O_RDWR | O_CREAT | Syscall.directFlag)
        defer { try? Syscall.close(direct) }
        buffer.copyBytes(from: data)
        #expect(try Syscall.write(direct, UnsafeRawBufferPointer(buffer), at: 0) == data.count)
        #expect(try file.bytes() == data)
        try Syscall.withOpen(file, O_WRONLY) { (open) throws(Errno) in
          _ = try Syscall.write(open, [1, 2, 3], at: 8190)
        }
        let block = UnsafeMutableRawBufferPointer(rebasing: buffer[..<8192])
        #expect(try Syscall.read(direct, block, at: 4096) == 8192)
        #expect(Array(block[4094..<4097]) == [1, 2, 3])
      }
    }

    @Test func preallocation() throws {
      try onMount { root in
        let file = root.appending("file")
        let open = try Syscall.open(file, O_RDWR | O_CREAT)
        defer { try? Syscall.close(open) }
        try Syscall.fallocate(open, mode: FALLOC_FL_KEEP_SIZE, offset: 0, length: 1 << 20)
        #expect(try Syscall.fstat(open).st_size == 0)
        #expect(try Syscall.fstat(open).st_blocks >= 2048)
        try Syscall.fallocate(open, mode: 0, offset: 0, length: 2 << 20)
        #expect(try Syscall.fstat(open).st_size == 2 << 20)
        #expect(try Syscall.read(open, count: 2 << 20, at: 0).allSatisfy { $0 == 0 })
        try Syscall.write(open, [9], at: 1_000_000)
        #expect(try Syscall.read(open, count: 3, at: 999_999) == [0, 9, 0])
        #expect(throws: Errno.invalidArgument) {
          try Syscall.fallocate(open, mode: 0, offset: 0, length: 0)
        }
        #expect(throws: Errno.noSpace) {
          try Syscall.fallocate(open, mode: 0, offset: 0, length: 1 << 30)
        }
      }
    }

    @Test func holesArePunched() throws {
      try onMount { root in
        let open = try Syscall.open(root.appending("file"), O_RDWR | O_CREAT)
        defer { try? Syscall.close(open) }
        try Syscall.write(open, [UInt8](repeating: 5, count: 1 << 20), at: 0)
        // How many blocks there are is known when a file is closed.
        try Syscall.close(try Syscall.open(root.appending("file"), O_RDONLY))
        let blocks = try Syscall.fstat(open).st_blocks
        #expect((2048...2060).contains(blocks))
        let punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
        try Syscall.fallocate(open, mode: punch, offset: 100, length: 500_000)
        #expect(try Syscall.fstat(open).st_size == 1 << 20)
        #expect(try Syscall.fstat(open).st_blocks < blocks - 900)
        let bytes = try Syscall.read(open, count: 600_000, at: 0)
        #expect(bytes[..<100].allSatisfy { $0 == 5 })
        #expect(bytes[100..<500_100].allSatisfy { $0 == 0 })
        #expect(bytes[500_100...].allSatisfy { $0 == 5 })
        #expect(throws: Errno.notSupported) {
          try Syscall.fallocate(open, mode: FALLOC_FL_PUNCH_HOLE, offset: 0, length: 1)
        }
      }
    }

    @Test func rangesAreZeroed() throws {
      try onMount { root in
        let open = try Syscall.open(root.appending("file"), O_RDWR | O_CREAT)
        defer { try? Syscall.close(open) }
        try Syscall.write(open, [UInt8](repeating: 5, count: 100_000), at: 0)
        try Syscall.fallocate(open, mode: FALLOC_FL_ZERO_RANGE, offset: 50, length: 50_000)
        let zeroAndKeep = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE
        try Syscall.fallocate(open, mode: zeroAndKeep, offset: 99_000, length: 50_000)
        let bytes = try Syscall.read(open, count: 200_000, at: 0)
        #expect(bytes.count == 100_000)
        #expect(bytes[..<50].allSatisfy { $0 == 5 } && bytes[50..<50_050].allSatisfy { $0 == 0 })
        #expect(bytes[50_050..<99_000].allSatisfy { $0 == 5 })
        #expect(bytes[99_000...].allSatisfy { $0 == 0 })
        try Syscall.fallocate(open, mode: FALLOC_FL_ZERO_RANGE, offset: 0, length: 200_000)
        #expect(try Syscall.fstat(open).st_size == 200_000)
      }
    }

    @Test func holesAndDataAreFound() throws {
      try onMount { root in
        let open = try Syscall.open(root.appending("file"), O_RDWR | O_CREAT)
        defer { try? Syscall.close(open) }
        try Syscall.write(open, [1], at: 1 << 20)
        try Syscall.write(open, [1], at: 8 << 20)
        try Syscall.ftruncate(open, size: 16 << 20)
        #expect(try Syscall.seekData(open, from: 0) == 1 << 20)
        #expect(try Syscall.seekHole(open, from: 0) == 0)
        #expect(try Syscall.seekHole(open, from: 1 << 20) == (1 << 20) + 4096)
        #expect(try Syscall.seekData(open, from: (1 << 20) + 4096) == 8 << 20)
        #expect(throws: Errno.noSuchAddressOrDevice) { try Syscall.seekData(open, from: 9 << 20) }
        #expect(try Syscall.seekHole(open, from: 9 << 20) == 9 << 20)
        #expect(throws: Errno.noSuchAddressOrDevice) { try Syscall.seekHole(open, from: 16 << 20) }
        #expect(try Syscall.fstat(open).st_blocks <= 24, "a sparse file takes little")
      }
    }

    @Test func rangesAreCopied() throws {
      try onMount { root in
        let data = SeededGenerator.bytes(300_000, seed: 3)
        try root.appending("from").write(data)
        let from = try Syscall.open(root.appending("from"), O_RDWR)
        let to = try Syscall.open(root.appending("to"), O_RDWR | O_CREAT)
        defer { for open in [from, to] { try? Syscall.close(open) } }
        var copied = 0
        while copied < 200_000 {
          let count = try Syscall.copyRange(
            from: from, at: 1000 + copied, to: to, at: 5 + copied, count: 200_000 - copied)
          try #require(count > 0)
          copied += count
        }
        #expect(try Syscall.read(to, count: 300_000, at: 5) == Array(data[1000..<201_000]))
        #expect(try Syscall.copyRange(from: from, at: 300_000, to: to, at: 0, count: 10) == 0)
        #expect(throws: Errno.invalidArgument) {
          try Syscall.copyRange(from: from, at: 0, to: from, at: 100, count: 1000)
        }
      }
    }

    @Test func programsRun() throws {
      try onMount { root in
        try Command(["cp", "/bin/echo", root.appending("echo").string]).succeed()
        try root.appending("script").write("#!\(root)/echo\n")
        try Syscall.chmod(root.appending("script"), mode: 0o755)
        #expect(try Command([root.appending("echo").string, "hello"]).succeed().text == "hello")
        let run = try Command([root.appending("script").string]).succeed()
        #expect(run.text == root.appending("script").string)
        // A program that runs is not written.
        try Command(["cp", "/bin/sleep", root.appending("sleep").string]).succeed()
        let script = """
          ./sleep 5 & sleep 0.2
          if sh -c ': >> sleep' 2>/dev/null; then echo written; else echo busy; fi
          kill $!; wait $! || :
          """
        #expect(try Command(shell: script, in: root).succeed().text == "busy")
      }
    }
  }
}
