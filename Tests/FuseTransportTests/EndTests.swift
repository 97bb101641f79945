import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FuseTransport

extension TransportMounts {
  /// How connections end: whatever is under way, all threads end, and all callers get an answer.
  @Suite struct EndTests {
    /// Programs that read, write and wait until that fails; what they got in the end.
    private final class Load: Sendable {
      let errors = Mutex<[Errno]>([])
      let count = Atomic<Int>(0)

      func threads(on mount: TransportMount) -> [OwnedThread] {
        (0..<8).compactMap { index in
          OwnedThread { [self] in
            do throws(Errno) {
              try Syscall.withOpen(
                mount.path(index % 4 == 0 ? .slow : .data), O_RDWR
              ) { (file) throws(Errno) in
                while true {
                  _ = try Syscall.read(file, count: 4096 << (index * 2 % 9), at: index * 4096)
                  count.add(1, ordering: .relaxed)
                }
              }
            } catch {
              errors.withLock { $0.append(error) }
            }
          }
        }
      }

      /// Waits until all are at work.
      func waitForWork(on mount: TransportMount) {
        while count.load(ordering: .relaxed) < 200, !mount.isOver { usleep(1000) }
      }
    }

    private static let ends: [Errno] = [
      .connectionAbort, Errno(rawValue: ENOTCONN), .ioError,
    ]

    @Test(arguments: Way.all) func abortUnderLoad(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let load = Load()
        let threads = load.threads(on: mount)
        load.waitForWork(on: mount)
        mount.abort()
        for thread in threads { thread.join() }
        let errors = load.errors.withLock { $0 }
        #expect(errors.count == 8 && errors.allSatisfy(Self.ends.contains), "\(errors)")
      }
    }

    /// As `Session.stop` has it: what is under way is served, and the rest fails when the descriptors are closed.
    @Test(arguments: Way.all) func stopUnderLoad(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let load = Load()
        let threads = load.threads(on: mount)
        load.waitForWork(on: mount)
        mount.stop()
        mount.join()
        for thread in threads { thread.join() }
        let errors = load.errors.withLock { $0 }
        #expect(errors.count == 8 && errors.allSatisfy(Self.ends.contains), "\(errors)")
      }
    }

    /// The mount is gone for others; files that are open stay until they are closed.
    @Test(arguments: Way.all) func unmountWithRequestsUnderWay(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let isRight = Atomic<Bool>(false)
        let reader = OwnedThread {
          let bytes = try? mount.read(.held, count: 4096)
          isRight.store(bytes?.count == 4096, ordering: .relaxed)
        }
        while mount.server.heldCount < 1, !mount.isOver { usleep(1000) }
        mount.unmount()
        usleep(50_000)
        #expect(!mount.isOver)
        mount.server.releaseHeld()
        reader?.join()
        let wasRight = isRight.load(ordering: .relaxed)
        #expect(wasRight)
        // The kernel ends the connection with the last file.
        for _ in 0..<500 where !mount.isOver { usleep(10_000) }
        #expect(mount.isOver)
      }
    }

    /// Replies that are owed when the connection ends are sent to no one, and hold on to their memory.
    @Test(arguments: Way.all) func repliesThatComeTooLate(_ way: Way) throws {
      try TransportMount.with(way) { mount in
        let error = Mutex<Errno?>(nil)
        let reader = OwnedThread {
          do throws(Errno) {
            _ = try mount.read(.held, count: 65536)
          } catch let reason {
            error.withLock { $0 = reason }
          }
        }
        while mount.server.heldCount < 1, !mount.isOver { usleep(1000) }
        mount.abort()
        reader?.join()
        #expect(Self.ends.contains(error.withLock { $0 } ?? .badAddress))
      }
    }

    @Test(arguments: Way.all) func nothingButMountAndUnmount(_ way: Way) throws {
      for _ in 0..<10 { try TransportMount.with(way) { _ in } }
    }
  }
}
