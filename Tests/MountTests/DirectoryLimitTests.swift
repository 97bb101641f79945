import Foundation
import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  @Suite struct DirectoryLimitTests {
    /// Link counts of directories around the greatest that there is, against the kernel's: the counts are set, not made.
    @Test(arguments: [false, true]) func subdirectoriesBeyondTheLinkCount(isIndexed: Bool) throws {
      try Site.with { site in
        func outcome(_ root: FilePath) throws -> [String] {
          let directory = root.appending("directory")
          var outcome: [String] = []
          func note(_ what: String, _ body: () throws(Errno) -> Void) throws {
            var code: CInt = 0
            do throws(Errno) { try body() } catch { code = error.rawValue }
            outcome.append("\(what): \(code), \(try Syscall.lstat(directory).st_nlink)")
          }
          for index in 0..<4 {
            try note("mkdir") { () throws(Errno) in
              try Syscall.mkdir(directory.appending("sub-\(index)"))
            }
          }
          try Syscall.mkdir(root.appending("outside"))
          try note("rename") { () throws(Errno) in
            try Syscall.rename(root.appending("outside"), directory.appending("inside"))
          }
          for name in ["sub-0", "sub-1", "inside"] {
            try note("rmdir") { () throws(Errno) in
              try Syscall.rmdir(directory.appending(name))
            }
          }
          return outcome
        }
        try site.mount { root in
          let directory = root.appending("directory")
          try Syscall.mkdir(directory)
          for index in 0..<(isIndexed ? 1000 : 3) {
            try directory.appending("name-\(index)").write()
          }
        }
        let copy = Image(existing: site.scratch.appending("copy.img"))
        let request = "set_inode_field /directory links_count 64998"
        try site.image.debugfs(request, write: true)
        try Command(["cp", "--sparse=always", site.image.path.string, copy.path.string]).succeed()
        let expected = try site.kernel(outcome)
        let plan = Mounted.Plan(check: false)
        let ours = try Mounted.with(copy, at: site.point, plan) { try outcome($0.point) }
        #expect(ours == expected)
        #expect(expected.contains { $0.hasSuffix(isIndexed ? ", 1" : ", 65000") })
      }
    }

    /// Every byte but NUL and "/" as a name.
    @Test func everyByteIsAName() throws {
      try Site.with { site in
        let bytes = (1...255).filter { $0 != 0x2f }.map { UInt8($0) }
        func path(_ root: FilePath, _ byte: UInt8) throws -> FilePath {
          // "." is taken.
          let name = byte == 0x2e ? [0x2e, 0x2e, 0x2e] : [byte]
          return root.appending(
            try #require(
              FilePath.Component(platformString: name.map { CChar(bitPattern: $0) } + [0])))
        }
        try site.mount { root in
          for byte in bytes { try path(root, byte).write([byte]) }
          #expect(try Syscall.names(root).count == bytes.count + 1)
        }
        try site.kernel { root throws in
          for byte in bytes { #expect(try path(root, byte).bytes() == [byte]) }
        }
      }
    }

    private final class Stop: Sendable {
      let isSet = Atomic<Bool>(false)
    }

    /// What is there all the time is listed once, and nothing twice, while names come and go and the index grows.
    @Test func listingWhileNamesComeAndGo() throws {
      try onMount(size: "128M") { root in
        let directory = root.appending("directory")
        try Syscall.mkdir(directory)
        let fixed = 3000
        for index in 0..<fixed {
          try Syscall.mknod(directory.appending("fixed-\(index)"), mode: S_IFREG | 0o644)
        }
        let stop = Stop()
        var changes = 0
        let done = DispatchSemaphore(value: 0)
        withExtendedLifetime(stop) {
          Thread.detachNewThread {
            // Names of their own each time: one that was listed, deleted and made again may rightly come twice.
            var index = 0
            while !stop.isSet.load(ordering: .relaxed), index < 60_000 {
              try? Syscall.mknod(directory.appending("new-\(index)"), mode: S_IFREG | 0o644)
              if index >= 500 { try? Syscall.unlink(directory.appending("new-\(index - 500)")) }
              index += 1
            }
            done.signal()
          }
        }
        defer {
          stop.isSet.store(true, ordering: .relaxed)
          done.wait()
        }
        var listings = 0
        while listings < 15 || changes == 0 {
          let names = try DirectoryStream(directory).rest().map(\.text)
          #expect(Set(names).count == names.count, "a name was listed twice")
          #expect(names.count { $0.hasPrefix("fixed-") } == fixed)
          listings += 1
          changes += names.count { $0.hasPrefix("new-") }
        }
      }
    }
  }
}
