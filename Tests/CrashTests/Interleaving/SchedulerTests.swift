import CrashExploration
import Journal
import Synchronization
import Testing

/// The scheduler by itself.
struct SchedulerTests {
  private static func lock(_ identity: UInt) -> ObservedLock {
    ObservedLock(.inode, identity: identity)
  }

  @Test func aLockIsHeldByOneTaskAtATime() throws {
    for seed in 0..<UInt64(50) {
      let scheduler = Scheduler(seed: seed)
      let inside = Mutex(0)
      let body: @Sendable () throws -> Void = {
        for _ in 0..<20 {
          scheduler.willTake(Self.lock(1), shared: false)
          #expect(inside.withLock { $0 == 0 })
          inside.withLock { $0 += 1 }
          scheduler.pause()
          inside.withLock { $0 -= 1 }
          scheduler.didRelease(Self.lock(1))
        }
      }
      try scheduler.run([("a", body), ("b", body), ("c", body)])
    }
  }

  @Test func aDeadlockSaysWhoWaitsForWhat() throws {
    let messages = (0..<UInt64(40)).map { seed -> String in
      let scheduler = Scheduler(seed: seed)
      func body(_ first: UInt, _ second: UInt) -> @Sendable () throws -> Void {
        {
          scheduler.willTake(Self.lock(first), shared: false)
          scheduler.willTake(Self.lock(second), shared: false)
          scheduler.didRelease(Self.lock(second))
          scheduler.didRelease(Self.lock(first))
        }
      }
      do {
        try scheduler.run([("a", body(1, 2)), ("b", body(2, 1))])
        return ""
      } catch {
        return "\(error)"
      }
    }
    // Some seeds come upon it, and some do not.
    #expect(messages.contains(""))
    let found = messages.first { !$0.isEmpty } ?? ""
    #expect(found.contains("deadlock: a waits for inode, held by b; b waits for inode, held by a"))
  }

  @Test func aWriterThatWaitsKeepsReadersOut() throws {
    // A reader that asks twice, and a writer between: a deadlock for locks that prefer writers.
    let lock = ObservedLock(.commitGate, identity: 1, prefersWriters: true)
    let failures = (0..<UInt64(60)).filter { seed in
      let scheduler = Scheduler(seed: seed)
      do {
        try scheduler.run([
          (
            "reader",
            {
              scheduler.willTake(lock, shared: true)
              scheduler.willTake(lock, shared: true)
              scheduler.didRelease(lock)
              scheduler.didRelease(lock)
            }
          ),
          (
            "writer",
            {
              scheduler.willTake(lock, shared: false)
              scheduler.didRelease(lock)
            }
          ),
        ])
        return false
      } catch {
        return true
      }
    }
    #expect(!failures.isEmpty && failures.count < 60)
  }
}
