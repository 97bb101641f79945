import FuseProtocol
import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FuseTransport

extension TransportMounts {
  /// What programs get, whichever way their requests go.
  @Suite struct ServingTests {
    private func word(_ bytes: [UInt8], _ index: Int) -> UInt64 {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) }
    }

    @Test(arguments: Way.all) func namesAndAttributes(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        for _ in 0..<100 {
          let numbers = (try mount.inode(.data), try mount.inode(.many))
          #expect(numbers == (2, 5))
          #expect(throws: Errno.noSuchFileOrDirectory) {
            try Syscall.lstat(mount.point.appending(String(repeating: "x", count: 255)))
          }
        }
        let value = try Syscall.xattr(mount.path(.data), "user.a")
        #expect(value == Array("user.auser.a".utf8))
        let size = try Syscall.xattrSize(mount.path(.data), "user.abc")
        #expect(size == 16)
        let served = mount.server.sightings.withLock { $0.served }
        #expect(served[.lookup, default: 0] >= 300 && served[.getxattr, default: 0] >= 2)
      }
    }

    /// Sizes around the bounds of pages, of what is served by another thread, and of the largest transfer.
    @Test(arguments: Way.all) func readsHaveWhatIsThere(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        for size in [8, 4096, 4104, 65536, 65544, 131_072, 1 << 20, 3 << 20] {
          let bytes = try mount.read(.data, count: size, at: 16)
          #expect(bytes.count == size)
          let isRight = (0..<(size / 8)).allSatisfy {
            word(bytes, $0) == ScriptedServer.word($0 + 2)
          }
          #expect(isRight, "\(size) bytes")
        }
        #expect(try mount.read(.data, count: 4096, at: ScriptedServer.size - 100).count == 100)
        #expect(try mount.read(.data, count: 4096, at: ScriptedServer.size).isEmpty)
      }
    }

    @Test(arguments: Way.all) func writesReachTheServer(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let file = try Syscall.open(mount.path(.data), O_RDWR)
        defer { close(file) }
        for (round, size) in [1, 4096, 65536, 65537, 1 << 20, (1 << 20) + 4096].enumerated() {
          let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
          #expect(try Syscall.write(file, bytes, at: 12345) == size)
          #expect(try Syscall.read(file, count: size, at: 12345) == bytes, "\(size) bytes")
        }
      }
    }

    @Test(arguments: Way.all) func listingsAreWhole(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let names = try Syscall.names(mount.path(.many)).map { String(decoding: $0, as: UTF8.self) }
        #expect(names.sorted() == (0..<ScriptedServer.nameCount).map { "name \($0)" }.sorted())
      }
    }

    /// More than a queue has entries, where the kernel lets there be.
    @Test(arguments: Way.all) func repliesThatComeLater(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let done = Atomic<Int>(0)
        let readers = (0..<6).compactMap { index in
          OwnedThread {
            let bytes = try? mount.read(
              .held, count: 4096 << (index % 5), at: index * 4096)
            guard let bytes, bytes.count == 4096 << (index % 5),
              bytes.withUnsafeBytes({ $0.load(as: UInt64.self) })
                == ScriptedServer.word(index * 512)
            else { return }
            done.add(1, ordering: .relaxed)
          }
        }
        while mount.server.heldCount < 6, !mount.isOver { usleep(1000) }
        // Others are served meanwhile.
        let number = try mount.inode(.data)
        #expect(number == 2)
        #expect(done.load(ordering: .relaxed) == 0)
        mount.server.releaseHeld()
        for reader in readers { reader.join() }
        #expect(done.load(ordering: .relaxed) == 6)
      }
    }

    /// What one program does while others wait for a slow disk.
    @Test(arguments: Way.all) func slowRequestsKeepNoOthersWaiting(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let isOver = Atomic<Bool>(false)
        let slowReads = Atomic<Int>(0)
        let slow = (0..<8).compactMap { _ in
          OwnedThread {
            try? Syscall.withOpen(mount.path(.slow), O_RDONLY) { (file) throws(Errno) in
              while !isOver.load(ordering: .relaxed) {
                guard try Syscall.read(file, count: 4096, at: 0).count == 4096 else { return }
                slowReads.add(1, ordering: .relaxed)
              }
            }
          }
        }
        while slowReads.load(ordering: .relaxed) < 8, !mount.isOver { usleep(1000) }
        let longest = Mutex<UInt64>(0)
        let count = Atomic<Int>(0)
        let end = Clock.now + 1_000_000_000
        let quick = (0..<4).compactMap { _ in
          OwnedThread {
            var status = statvfs()
            while case let start = Clock.now, start < end {
              guard statvfs(mount.point.string, &status) == 0, status.f_blocks == 1000 else {
                return
              }
              let time = Clock.now - start
              longest.withLock { $0 = max($0, time) }
              count.add(1, ordering: .relaxed)
            }
          }
        }
        for thread in quick { thread.join() }
        isOver.store(true, ordering: .relaxed)
        for thread in slow { thread.join() }
        // Behind one slow request each, it would be 50 for each thread.
        #expect(count.load(ordering: .relaxed) > 2000, "longest: \(longest.withLock { $0 }) ns")
        let sightings = mount.server.sightings.withLock { $0 }
        #expect(sightings.slowReads >= 8)
        #expect(
          way == .device ? sightings.postponed == 0 : sightings.postponed >= sightings.slowReads)
      }
    }

    @Test(arguments: Way.all) func manyProgramsAtOnce(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let right = Atomic<Int>(0)
        let threads = (0..<12).compactMap { index in
          OwnedThread {
            // Each has a page of its own to write.
            let place = 1_000_000 + index * 4096
            try? Syscall.withOpen(mount.path(.data), O_RDWR) { (file) throws(Errno) in
              for round in 0..<300 {
                let bytes = [UInt8](
                  repeating: UInt8(truncatingIfNeeded: round + index), count: 4096)
                _ = try Syscall.write(file, bytes, at: place)
                guard try Syscall.read(file, count: 4096, at: place) == bytes,
                  try Syscall.lstat(mount.path(.slow)).st_ino == 3
                else { return }
              }
              right.add(1, ordering: .relaxed)
            }
          }
        }
        for thread in threads { thread.join() }
        #expect(right.load(ordering: .relaxed) == 12)
      }
    }
  }
}
