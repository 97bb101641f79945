import CLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// A file system without room: ENOSPC, and nothing torn.
  @Suite struct SpaceTests {
    /// Writes until there is no room, and returns the size that was synchronized.
    private func fill(_ file: FilePath) throws -> Int {
      let open = try Syscall.open(file, O_WRONLY | O_CREAT)
      defer { try? Syscall.close(open) }
      let chunk = SeededGenerator.bytes(65_536, seed: 8)
      var size = 0
      do throws(Errno) {
        while true {
          let rest = Array(chunk[(size % chunk.count)...])
          let written = try Syscall.write(open, rest, at: size)
          // Only now it is certain that there was room.
          try Syscall.fdatasync(open)
          size += written
        }
      } catch {
        #expect(error == .noSpace)
      }
      return size
    }

    private func free(_ root: FilePath) throws -> Int {
      Int(try Syscall.withOpen(root, O_RDONLY, Syscall.fstatvfs).f_bfree)
    }

    /// Repeats what needs a block each time, until it fails.
    private func exhaust(_ operation: (Int) throws(Errno) -> Void) throws -> Int {
      for count in 0..<2000 {
        do throws(Errno) {
          try operation(count)
        } catch {
          #expect(error == .noSpace)
          return count
        }
      }
      throw Failure("there always is room")
    }

    /// Once a write has found no room, write(2) says so to the writers of other files, too, new ones among them: not only
    /// fsync(2). And no longer when there is room.
    @Test func writersOfNewFilesLearnThatTheDiskIsFull() throws {
      try onMount(size: "16M") { root in
        _ = try fill(root.appending("large"))
        for index in 0..<20 {
          let file = try Syscall.open(root.appending("small-\(index)"), O_WRONLY | O_CREAT)
          defer { try? Syscall.close(file) }
          #expect(throws: Errno.noSpace) { try Syscall.write(file, [1, 2, 3], at: 0) }
        }
        try Syscall.unlink(root.appending("large"))
        try root.appending("small-0").write("there is room")
        try Syscall.withOpen(root.appending("small-0"), O_RDONLY, Syscall.fsync)
        #expect(try root.appending("small-0").text() == "there is room")
      }
    }

    @Test(arguments: [1024, 4096])
    func noBlocksLeft(blockSize: Int) throws {
      // Where names come to stand in a directory depends on its hash, and so whether the first has room.
      let options = ["-N", "4000", "-E", "hash_seed=00000000-0000-4000-8000-000000000001"]
      try Site.with(size: "16M", blockSize: blockSize, options: options) { site in
        let target = FilePath(String(repeating: "t", count: 500))
        let long = String(repeating: "n", count: 200)
        var (size, links, names) = (0, 0, [String]())
        try site.mount { root in
          try root.appending("kept").write("kept")
          try Syscall.mkdir(root.appending("directory"))
          for index in 0..<500 { try root.appending("directory/holder-\(index)").write("") }
          size = try fill(root.appending("large"))
          #expect(size > 8 << 20)
          // The last blocks are used up by links that do not fit their inodes.
          links = try exhaust { (index) throws(Errno) in
            try Syscall.symlink(target, root.appending("link-\(index)"))
          }
          #expect(throws: Errno.noSpace) { try Syscall.mkdir(root.appending("no")) }
          _ = try exhaust { (index) throws(Errno) in
            let value = SeededGenerator.bytes(700, seed: UInt64(index))
            try Syscall.setXattr(root.appending("directory/holder-\(index)"), "trusted.a", value)
          }
          #expect(throws: Errno.noSpace) {
            try Syscall.withOpen(root.appending("kept"), O_WRONLY) { (open) throws(Errno) in
              try Syscall.fallocate(
                open, mode: FALLOC_FL_KEEP_SIZE, offset: 1 << 20, length: 1 << 20)
            }
          }
          // Names need no room until their directory needs a block.
          _ = try exhaust { (index) throws(Errno) in
            let name = "\(index)-\(long)"
            try Syscall.mknod(root.appending("directory/\(name)"), mode: S_IFREG | 0o600)
            names.append(name)
          }
          #expect(!names.isEmpty)
          #expect(!root.appending("no").exists)
          #expect(try root.appending("kept").text() == "kept")
        }
        try site.kernel { root in
          let chunk = SeededGenerator.bytes(65_536, seed: 8)
          let bytes = try root.appending("large").bytes()
          #expect(bytes.count >= size)
          #expect((0..<size).allSatisfy { bytes[$0] == chunk[$0 % 65_536] })
          #expect(
            try root.appending("directory").names().filter { !$0.hasPrefix("holder") }
              == names.sorted())
          let found = try root.names().filter { $0.hasPrefix("link") }
          #expect(found.count == links)
          for link in found {
            #expect(try Syscall.readlink(root.appending(link)).count == 500)
          }
        }
        try site.mount { root in
          try Syscall.unlink(root.appending("large"))
          // A FUSE server hears of it a moment later when the last user of a file is gone.
          for _ in 0..<250 where try free(root) < size / blockSize - 100 { usleep(20_000) }
          #expect(try free(root) >= size / blockSize - 100)
          try Syscall.mkdir(root.appending("yes"))
          #expect(try fill(root.appending("again")) > size - 200_000)
        }
      }
    }

    @Test func noInodesLeft() throws {
      try Site.with(options: ["-N", "64"]) { site in
        try site.mount { root in
          var made = 0
          #expect(throws: Errno.noSpace) {
            while made < 100 {
              try root.appending("\(made)").write("x")
              made += 1
            }
          }
          #expect((20..<64).contains(made))
          #expect(throws: Errno.noSpace) { try Syscall.mkdir(root.appending("directory")) }
          #expect(throws: Errno.noSpace) { try Syscall.symlink("x", root.appending("link")) }
          try Syscall.link(root.appending("0"), root.appending("hard"))
          try Syscall.unlink(root.appending("1"))
          try Syscall.mkdir(root.appending("directory"))
        }
      }
    }

    /// Direct writes find the blocks of files just removed, and fail as a whole where there is not room for all: the kernel would make
    /// EIO of what was written in part.
    @Test func directWrites() throws {
      let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
      piece.initializeMemory(as: UInt8.self, repeating: 0x5A)
      defer { piece.deallocate() }
      try Site.with(size: "64M") { site in
        try site.mount(options: ["commit=1000"]) { root in
          let flags = O_RDWR | O_CREAT | clinux_o_direct()
          for round in 0..<12 {
            let file = root.appending("file")
            let open = try Syscall.open(file, flags)
            for index in 0..<16 {
              let count = try Syscall.write(
                open, UnsafeRawBufferPointer(piece), at: index << 20)
              #expect(count == piece.count, "round \(round)")
            }
            try Syscall.close(open)
            try Syscall.unlink(file)
          }
          let open = try Syscall.open(root.appending("large"), flags)
          defer { close(open) }
          var size = 0
          var failure: Errno?
          while failure == nil {
            let result = Result {
              try Syscall.write(open, UnsafeRawBufferPointer(piece), at: size)
            }
            switch result {
            case .success(let count): size += count
            case .failure(let error): failure = error as? Errno
            }
          }
          #expect(failure == .noSpace)
          #expect(size > 32 << 20)
          let length = try Syscall.fstat(open).st_size
          #expect(length == size)
        }
        try site.kernel { root in
          let length = try Syscall.lstat(root.appending("large")).st_size
          #expect(length > 32 << 20)
        }
      }
    }

    /// What is reserved for root is not for others.
    @Test func reservedBlocks() throws {
      let user = try TestUser.other.get()
      try Site.with(size: "16M", options: ["-m", "30"]) { site in
        try site.mount(options: ["allow_other"]) { root in
          try Syscall.chmod(root, mode: 0o777)
          let result = try Command(
            ["dd", "if=/dev/zero", "of=theirs", "bs=64k", "conv=fsync"], as: user, in: root
          ).run()
          #expect(result.status == 1 && result.errors.contains("No space left on device"))
          let free = try Syscall.withOpen(root, O_RDONLY, Syscall.fstatvfs)
          #expect(free.f_bavail < 32 && free.f_bfree > 1000)
          try root.appending("ours").write([UInt8](repeating: 1, count: 1 << 20))
        }
      }
    }
  }
}
