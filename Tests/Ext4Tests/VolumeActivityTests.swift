import Glibc
import Journal
import Synchronization
import Testing

@testable import Ext4

@Suite struct VolumeActivityTests {
  @Test func inodesThatAreInMemory() throws {
    try DirectoryFixture.with { fixture in
      let number = try fixture.make(.regularFile, "file").number
      let before = fixture.volume.activity
      for _ in 0..<5 { _ = try fixture.volume.node(number) }
      let after = fixture.volume.activity
      #expect(after.inodes.hits ?? 0 >= (before.inodes.hits ?? 0) + 5)
      #expect(after.inodes.misses == before.inodes.misses)
      #expect(after.mappings.hits == nil)
    }
  }

  @Test func commits() throws {
    try DirectoryFixture.with { fixture in
      let volume = fixture.volume
      try volume.synchronize()
      let before = volume.activity
      _ = try fixture.make(.regularFile, "file")
      try volume.commit()
      // There is nothing to commit any more.
      try volume.commit()
      #expect(volume.activity.commits == before.commits + 1)
      try volume.checkpoint()
      #expect(volume.activity.journal?.checkpoints == before.journal.map { $0.checkpoints + 1 })
    }
  }

  private final class Shared: Sendable {
    let isHeld = Atomic<Bool>(false)
    let hold: @Sendable (() -> Void) -> Void
    init(_ hold: @escaping @Sendable (() -> Void) -> Void) { self.hold = hold }
  }

  /// Calls `take` while another thread has what `hold` takes.
  private func contend(
    _ hold: @escaping @Sendable (() -> Void) -> Void, take: () -> Void
  ) throws {
    let shared = Shared(hold)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { context in
        let shared = Unmanaged<Shared>.fromOpaque(context!).takeRetainedValue()
        shared.hold {
          shared.isHeld.store(true, ordering: .releasing)
          usleep(30_000)
        }
        return nil
      }, Unmanaged.passRetained(shared).toOpaque())
    try #require(code == 0)
    while !shared.isHeld.load(ordering: .acquiring) { usleep(100) }
    take()
    pthread_join(thread, nil)
  }

  @Test func locksThatAreTaken() throws {
    let device = BlockDevice(
      fileDescriptor: -1, byteOffset: 0, byteCount: 0, isWritable: false)
    let metadata = MetadataLock(.metadata, of: device)
    let io = ReadWriteLock(.inode, of: device)
    let gate = ReadWriteLock(.commitGate, of: device, prefersWriters: true)
    for _ in 0..<100 {
      metadata.withLock {}
      try io.withReadLock {}
      try gate.withWriteLock {}
    }
    #expect(WaitCause.allCases.allSatisfy { device.waits[$0].waits == 0 })
    try contend({ body in metadata.withLock { body() } }, take: { metadata.withLock {} })
    try contend({ body in io.waitForWriteLock { body() } }, take: { _ = try? io.withReadLock {} })
    try contend(
      { body in _ = try? gate.withReadLock { body() } }, take: { gate.waitForWriteLock {} })
    for role in [.metadata, .inode, .commitGate] as [ObservedLock.Role] {
      let count = device.waits[.lock(role)]
      #expect(count.waits == 1 && count.nanoseconds > 1_000_000, "\(role)")
    }
  }
}
