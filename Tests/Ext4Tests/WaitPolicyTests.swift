import Journal
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Ext4

/// A thread that must not wait gives up before it has changed anything, and the same operation succeeds for a thread that may.
@Suite struct WaitPolicyTests {
  /// What the calling thread may do.
  private final class Thread: Sendable {
    private let mustNotWait = Atomic<Bool>(false)
    private let change = Atomic<Bool>(false)
    private let waits = Atomic<Int>(0)

    var hasChanged: Bool { change.load(ordering: .relaxed) }
    var waitCount: Int { waits.load(ordering: .relaxed) }

    var policy: WaitPolicy {
      WaitPolicy(
        givesUp: { [self] in
          mustNotWait.load(ordering: .relaxed) && !hasChanged
        },
        willWait: { [self] in _ = waits.add(1, ordering: .relaxed) },
        hasChanged: { [self] in change.store(true, ordering: .relaxed) })
    }

    /// Calls `body`, in which the thread must not wait.
    func withoutWaiting<R>(_ body: () throws -> R) rethrows -> R {
      change.store(false, ordering: .relaxed)
      mustNotWait.store(true, ordering: .relaxed)
      defer { mustNotWait.store(false, ordering: .relaxed) }
      return try body()
    }
  }

  private func givesUp(_ body: () throws -> Void) throws -> Bool {
    do {
      try body()
      return false
    } catch let error as Ext4Error where error.errno == .wouldWait {
      return true
    }
  }

  /// Everything but what is a commit, which always waits.
  @Test(arguments: ColdWork.Work.allCases.filter { $0 != .checkpoint && $0 != .commit })
  func whatIsNotInMemoryIsGivenUp(_ work: ColdWork.Work) throws {
    try Scratch.with { scratch in
      let image = try ColdWork.makeImage(scratch)
      let device = ColdWork.Device()
      let thread = Thread()
      try ColdWork.withVolume(of: image, on: device, thread.policy) { volume in
        let (cold, coldInode) = try ColdWork.findCold(volume)
        device.slowDown()
        let changes = volume.cache.changeCount
        let waits = thread.waitCount
        for _ in 0..<3 {
          let isGivenUp = try thread.withoutWaiting {
            try givesUp {
              try ColdWork.perform(work, in: cold, coldInode: coldInode, volume)
            }
          }
          #expect(isGivenUp)
        }
        #expect(device.accessCount == 0, "the device was waited for")
        #expect(thread.waitCount == waits)
        #expect(!thread.hasChanged)
        #expect(volume.cache.changeCount == changes)
        device.speedUp()
        try ColdWork.perform(work, in: cold, coldInode: coldInode, volume)
      }
    }
  }

  /// A thread that has what it needs in memory does not give up, and its changes are known as such.
  @Test(
    arguments: ColdWork.Work.allCases.filter { $0 != .checkpoint && $0 != .commit && $0 != .node })
  func whatIsInMemoryIsDone(_ work: ColdWork.Work) throws {
    try Scratch.with { scratch in
      let image = try ColdWork.makeImage(scratch)
      let device = ColdWork.Device()
      let thread = Thread()
      try ColdWork.withVolume(of: image, on: device, thread.policy) { volume in
        let warm = try ColdWork.find("warm", in: try volume.node(.root), volume)
        for look in [ColdWork.Work.list, .listWithStatus, .read, .readLink, .attribute] {
          try ColdWork.perform(look, in: warm, coldInode: warm.number, volume)
        }
        try volume.change { () throws(Ext4Error) in
          _ = try volume.readBlock(volume.tableBlock(of: warm.number), of: warm.number)
        }
        device.slowDown()
        let isGivenUp = try thread.withoutWaiting {
          try givesUp { try ColdWork.perform(work, in: warm, coldInode: warm.number, volume) }
        }
        let looks: Set<ColdWork.Work> = [
          .lookup, .list, .listWithStatus, .readLink, .attribute,
        ]
        if looks.contains(work) { #expect(!isGivenUp) }
        if !isGivenUp, !looks.contains(work), work != .read {
          #expect(thread.hasChanged)
        }
        device.speedUp()
        if isGivenUp { try ColdWork.perform(work, in: warm, coldInode: warm.number, volume) }
      }
    }
  }

  @Test func aCommitIsGivenUp() throws {
    try Scratch.with { scratch in
      let image = try ColdWork.makeImage(scratch)
      let thread = Thread()
      try ColdWork.withVolume(of: image, on: ColdWork.Device(), thread.policy) { volume in
        let isGivenUp = try thread.withoutWaiting {
          [
            try givesUp { try volume.synchronize() },
            try givesUp { _ = try volume.commit() },
          ]
        }
        #expect(isGivenUp == [true, true])
        try volume.synchronize()
      }
    }
  }

  /// A lock that another thread holds.
  @Test func locksAreGivenUp() throws {
    try Scratch.with { scratch in
      let image = try ColdWork.makeImage(scratch)
      let thread = Thread()
      try ColdWork.withVolume(of: image, on: ColdWork.Device(), thread.policy) { volume in
        let file = try ColdWork.find(
          "fragmented", in: try ColdWork.find("warm", in: try volume.node(.root), volume), volume)
        var byte: UInt8 = 0
        func read() throws {
          _ = try withUnsafeMutableBytes(of: &byte) { try file.read(into: $0, at: 0) }
        }
        try thread.withoutWaiting { try read() }
        #expect(byte == 1)
        var isGivenUp: [Bool?] = []
        func note(_ body: () throws -> Void) {
          isGivenUp.append(try? thread.withoutWaiting { try givesUp(body) })
        }
        file.io.waitForWriteLock { note { try read() } }
        volume.metadata.withLock {
          note { _ = try ColdWork.find("warm", in: try volume.node(.root), volume) }
        }
        note { try read() }
        #expect(isGivenUp == [true, true, false])
        try read()
      }
    }
  }
}
