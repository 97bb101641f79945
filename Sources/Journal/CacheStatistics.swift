import Synchronization

/// How often a cache had what was asked for. Counted by one thread at a time, the one that has the cache's lock, and read by any.
public final class CacheStatistics: Sendable {
  private let hitCount = Atomic<UInt64>(0)
  private let missCount = Atomic<UInt64>(0)

  public init() {}

  @inline(__always)
  public func noteHit() {
    hitCount.store(hitCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }

  @inline(__always)
  public func noteMiss() {
    missCount.store(missCount.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }

  public var hits: UInt64 { hitCount.load(ordering: .relaxed) }
  public var misses: UInt64 { missCount.load(ordering: .relaxed) }
}
