import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Handles, as an NFS server keeps them, that lead to files by number and generation.
  @Suite struct FileHandleTests {
    private func forgetAll(_ root: FilePath) throws {
      try Syscall.withOpen(root, O_RDONLY, Syscall.syncfs)
      try Command(shell: "echo 2 > /proc/sys/vm/drop_caches; echo 3 > /proc/sys/vm/drop_caches")
        .succeed()
    }

    /// Whether a handle of a removed file is stale once no process has the file open. A process that another test starts has the
    /// descriptors of this one until it runs its program.
    private func isStale(_ handle: [UInt8], in mount: CInt) throws -> Bool {
      for _ in 0..<100 {
        switch Result(catching: { try Syscall.open(handle, in: mount, O_RDONLY) }) {
        case .success(let file): try Syscall.close(file)
        case .failure(let error): return error as? Errno == .staleNFSFileHandle
        }
        usleep(100_000)
      }
      return false
    }

    @Test func leadToFilesAlsoWhenTheKernelHasForgottenThem() throws {
      try onMount(mount: ["noatime"]) { root throws in
        try Syscall.mkdir(root.appending("a"))
        try Syscall.mkdir(root.appending("a/b"))
        try root.appending("a/b/file").write("contents")
        try root.appending("gone").write("gone")
        let paths = ["a/b/file", "a/b", "."].map { root.appending($0) }
        let handles = try paths.map { try Syscall.handle(of: $0) }
        let gone = try Syscall.handle(of: root.appending("gone"))
        let mount = try Syscall.open(root, O_RDONLY)
        defer { close(mount) }
        try Syscall.unlink(root.appending("gone"))
        for _ in 0..<2 {
          let file = try Syscall.open(handles[0], in: mount, O_RDWR)
          #expect(try Syscall.read(file, count: 20, at: 0) == Array("contents".utf8))
          try Syscall.close(file)
          for (path, handle) in zip(paths, handles).dropFirst() {
            let directory = try Syscall.open(handle, in: mount, O_RDONLY)
            #expect(try Syscall.fstat(directory).st_ino == Syscall.lstat(path).st_ino)
            let place = try Syscall.readlink(FilePath("/proc/self/fd/\(directory)"))
            let expected = path.lexicallyNormalized().string
            #expect(String(decoding: place, as: UTF8.self) == expected)
            try Syscall.close(directory)
          }
          #expect(try isStale(gone, in: mount))
          try forgetAll(root)
        }
      }
    }

    /// A handle that is made up gives ESTALE, and the daemon does not take the file system for damaged.
    @Test func madeUpHandlesAreStale() throws {
      try onMount(mount: ["errors=remount-ro"]) { root throws in
        try root.appending("file").write("x")
        let handle = try Syscall.handle(of: root.appending("file"))
        let mount = try Syscall.open(root, O_RDONLY)
        defer { close(mount) }
        try forgetAll(root)
        let own = UInt32(try Syscall.lstat(root.appending("file")).st_ino)
        for number in [0, 1, 3, 7, 8, 11, own, own + 1, 5000, 16_384, 16_385, 1 << 31, .max] {
          // FUSE's handles: node id, upper half first, and generation (fs/fuse/inode.c, `fuse_encode_fh`).
          var made = handle
          made.withUnsafeMutableBytes {
            $0.storeBytes(of: number, toByteOffset: 12, as: UInt32.self)
            let generation = $0.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
            $0.storeBytes(of: generation &+ 1, toByteOffset: 16, as: UInt32.self)
          }
          #expect(throws: Errno.staleNFSFileHandle) { try Syscall.open(made, in: mount, O_RDONLY) }
        }
        try root.appending("file").write("still writable")
      }
    }
  }
}
