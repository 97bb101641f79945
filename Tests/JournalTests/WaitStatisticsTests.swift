import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Journal

@Suite struct WaitStatisticsTests {
  /// What a thread was told that it has waited for.
  private final class Told: Sendable {
    let waits = Mutex<[(cause: WaitCause, nanoseconds: UInt64)]>([])
  }

  private func device(_ descriptor: CInt, _ told: Told = Told()) -> BlockDevice {
    BlockDevice(
      fileDescriptor: descriptor, byteOffset: 0, byteCount: 4096, isWritable: true,
      waitPolicy: WaitPolicy(
        didWait: { cause, nanoseconds in told.waits.withLock { $0.append((cause, nanoseconds)) } }))
  }

  private func waits(_ device: BlockDevice) -> [WaitCause: UInt64] {
    Dictionary(
      uniqueKeysWithValues: WaitCause.allCases.map { ($0, device.waits[$0].waits) }
    ).filter { $0.value > 0 }
  }

  @Test func causesAreCountedApart() {
    let device = device(-1)
    for (index, cause) in WaitCause.allCases.enumerated() {
      for _ in 0...index { device.waits.measure(cause) {} }
    }
    for (index, cause) in WaitCause.allCases.enumerated() {
      #expect(device.waits[cause].waits == UInt64(index + 1))
      #expect(cause.isLock == (cause != .read && cause != .flush))
    }
  }

  @Test func readsThatAreNotInMemory() throws {
    let file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
    try #require(file >= 0)
    defer { close(file) }
    let told = Told()
    // What is made when it is read has nothing in a page cache.
    let device = device(file, told)
    var bytes = [UInt8](repeating: 1, count: 64)
    try bytes.withUnsafeMutableBytes { bytes in try device.read(into: bytes, at: 0) }
    #expect(waits(device) == [.read: 1])
    #expect(told.waits.withLock { $0.map(\.cause) } == [.read])
    #expect(device.waits[.read].nanoseconds == told.waits.withLock { $0.first?.nanoseconds })
  }

  @Test func flushes() throws {
    try Scratch.with { scratch in
      let file = try Syscall.open(scratch.appending("file"), O_RDWR | O_CREAT)
      defer { close(file) }
      try Syscall.write(file, [UInt8](repeating: 1, count: 4096), at: 0)
      let device = device(file)
      try device.synchronize()
      #expect(device.waits[.flush].waits == 1 && device.waits[.flush].nanoseconds > 0)
    }
  }

  @Test func locksThatAreTaken() throws {
    let told = Told()
    let device = device(-1, told)
    let mutex = ObservedMutex(0, as: .logState, of: device)
    for _ in 0..<100 { mutex.withLock { $0 += 1 } }
    #expect(waits(device).isEmpty)

    final class Shared: @unchecked Sendable {
      let mutex: ObservedMutex<Int>
      let isHeld = Atomic<Bool>(false)
      init(_ mutex: ObservedMutex<Int>) { self.mutex = mutex }
    }
    let shared = Shared(mutex)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { context in
        let shared = Unmanaged<Shared>.fromOpaque(context!).takeRetainedValue()
        shared.mutex.withLock { _ in
          shared.isHeld.store(true, ordering: .releasing)
          usleep(30_000)
        }
        return nil
      }, Unmanaged.passRetained(shared).toOpaque())
    try #require(code == 0)
    while !shared.isHeld.load(ordering: .acquiring) { usleep(100) }
    mutex.withLock { $0 += 1 }
    pthread_join(thread, nil)
    #expect(waits(device) == [.lock(.logState): 1])
    #expect(device.waits[.lock(.logState)].nanoseconds > 1_000_000)
    #expect(told.waits.withLock { $0.count } == 1)
  }

  @Test func blocksThatAreInMemory() throws {
    let cache = BlockCache(
      device: try MemoryFile([UInt8](repeating: 1, count: 4096)).device(count: 4096))
    for block in [0, 1, 0, 0, 3] as [UInt64] { _ = try cache.read(BlockNumber(block)) }
    #expect(cache.statistics.hits == 2 && cache.statistics.misses == 3)
  }
}
