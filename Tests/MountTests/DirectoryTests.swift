import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Reading directories, and large ones.
  @Suite struct DirectoryTests {
    @Test func entriesSayWhatTheyAre() throws {
      try onMount { root in
        try root.appending("file").write()
        try Syscall.mkdir(root.appending("directory"))
        try Syscall.symlink("x", root.appending("link"))
        try Syscall.mknod(root.appending("fifo"), mode: S_IFIFO | 0o600)
        try Syscall.mknod(root.appending("socket"), mode: S_IFSOCK | 0o600)
        try Syscall.mknod(root.appending("null"), mode: S_IFCHR | 0o600, device: 0x103)
        let entries = try DirectoryStream(root).rest()
        let types = Dictionary(entries.map { ($0.text, $0.type) }) { first, _ in first }
        #expect(
          types == [
            ".": 4, "..": 4, "lost+found": 4, "directory": 4, "file": 8, "link": 10, "fifo": 1,
            "socket": 12, "null": 2,
          ])
        for entry in entries where entry.text != ".." {
          #expect(try Syscall.lstat(root.appending(entry.text)).st_ino == entry.inode)
        }
      }
    }

    /// A place in a directory stays valid while names come and go, and while the directory grows
    /// from one block to an index: what is there all the time is found once. Whether names that were
    /// removed since the directory was opened are found, POSIX leaves open.
    @Test(arguments: [[], ["^dir_index"]])
    func returningToAPlace(features: [String]) throws {
      try onMount(features: features, blockSize: 1024) { root in
        let stays = Set((0..<300).map { "stays-\($0)" })
        for name in stays { try root.appending(name).write() }
        let stream = try DirectoryStream(root)
        var before: [DirectoryStream.Entry] = []
        for _ in 0..<100 {
          guard let entry = try stream.next() else { break }
          before.append(entry)
        }
        let place = stream.tell()
        let after = try stream.rest()
        #expect(Set((before + after).map(\.text)).isSuperset(of: stays))
        #expect(before.count + after.count == stays.count + 3)

        stream.seek(place)
        #expect(try stream.rest() == after, "unchanged")

        for index in 0..<1000 { try root.appending("comes-\(index)").write() }
        let gone = Set(after.map(\.text)).intersection(stays).sorted().prefix(50)
        for name in gone { try Syscall.unlink(root.appending(name)) }
        stream.seek(place)
        let again = try stream.rest().map(\.text)
        let staying = { (name: String) in !name.hasPrefix("comes") && !gone.contains(name) }
        #expect(again.filter(staying) == after.map(\.text).filter(staying))

        stream.rewind()
        let all = try stream.rest().map(\.text)
        #expect(Set(all).count == all.count)
        #expect(all.count == 3 + 300 + 1000 - 50)
      }
    }

    @Test func removingWhileReading() throws {
      try onMount { root in
        let directory = root.appending("directory")
        try Syscall.mkdir(directory)
        for index in 0..<5000 { try directory.appending("name-\(index)").write() }
        let stream = try DirectoryStream(directory)
        while let entry = try stream.next() {
          if !entry.isDot { try Syscall.unlink(directory.appending(entry.text)) }
        }
        try Syscall.rmdir(directory)
      }
    }

    /// Made through the mount, the directory has an index, and every name is found: by us, by the
    /// kernel, and by e2fsck.
    @Test func twoHundredThousandNames() throws {
      let count = 200_000
      let options = ["-N", "\(count + 1000)"]
      try Site.with(size: "256M", options: options) { site in
        let name = { (index: Int) in "name-\(index)-\(String(repeating: "x", count: index % 23))" }
        try site.mount(Mounted.Plan(timeout: 300)) { root in
          let directory = root.appending("many")
          try Syscall.mkdir(directory)
          try Syscall.fchdirWhile(directory) { () throws(Errno) in
            for index in 0..<count {
              try Syscall.mknod(FilePath(name(index)), mode: S_IFREG | 0o644)
            }
          }
          #expect(try Syscall.names(directory).count == count)
          #expect(throws: Errno.fileExists) {
            try Syscall.mkdir(directory.appending(name(123_456)))
          }
        }
        #expect(try site.image.debugfs("stat /many").contains("0x81000"), "EXT4_INDEX_FL is set")
        #expect(try site.image.debugfs("htree_dump /many").contains("Root node dump"))

        func verify(_ root: FilePath) throws {
          try Syscall.fchdirWhile(root.appending("many")) { () throws(Errno) in
            for index in 0..<count { _ = try Syscall.lstat(FilePath(name(index))) }
            #expect(throws: Errno.noSuchFileOrDirectory) {
              try Syscall.lstat(FilePath(name(count)))
            }
          }
        }
        try site.kernel(verify)
        try site.mount(Mounted.Plan(timeout: 300)) { root in
          try verify(root)
          let directory = root.appending("many")
          for index in stride(from: 0, to: count, by: 20) {
            try Syscall.unlink(directory.appending(name(index)))
          }
          #expect(try Syscall.names(directory).count == count - count / 20)
        }
      }
    }

    /// An index made by the kernel grows in our hands.
    /// A directory that gets an index has one block more at once, as with the kernel.
    @Test(arguments: [1024, 4096]) func growsByTheKernelsSteps(blockSize: Int) throws {
      func sizes(_ root: FilePath) throws -> [Int] {
        let directory = root.appending("directory")
        try Syscall.mkdir(directory)
        var sizes: [Int] = []
        while Set(sizes).count < 2, sizes.count < 1000 {
          try directory.appending("name\(1000 + sizes.count)").write()
          sizes.append(Int(try Syscall.lstat(directory).st_size))
        }
        return sizes
      }
      try Site.with(blockSize: blockSize) { site in
        let right = try site.kernel { root throws in
          defer { _ = try? Command(["rm", "-r", root.appending("directory").string]).run() }
          return try sizes(root)
        }
        try site.mount { root throws in #expect(try sizes(root) == right) }
      }
    }

    @Test func theKernelsIndexGrows() throws {
      try Site.with(blockSize: 1024) { site in
        try site.kernel { root in
          try Syscall.mkdir(root.appending("many"))
          for index in 0..<2000 { try root.appending("many/kernel-\(index)").write() }
        }
        try site.mount { root in
          for index in 0..<2000 { try root.appending("many/ours-\(index)").write() }
          for index in 0..<1000 { try Syscall.unlink(root.appending("many/kernel-\(index)")) }
        }
        #expect(try site.image.debugfs("stat /many").contains("0x81000"), "still indexed")
        try site.kernel { root in
          for index in 0..<2000 { _ = try Syscall.lstat(root.appending("many/ours-\(index)")) }
          #expect(try Syscall.names(root.appending("many")).count == 3000)
        }
      }
    }
  }
}

extension Syscall {
  /// Runs the body with a working directory, so that the path to it is not walked each time.
  static func fchdirWhile(_ directory: FilePath, _ body: () throws(Errno) -> Void) throws(Errno) {
    let before = try open(".", O_RDONLY | O_DIRECTORY)
    let there = try open(directory, O_RDONLY | O_DIRECTORY)
    try fchdir(there)
    let result: Result<Void, Errno>
    do throws(Errno) {
      result = .success(try body())
    } catch {
      result = .failure(error)
    }
    try fchdir(before)
    try close(there)
    try close(before)
    try result.get()
  }
}
