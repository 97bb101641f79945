import Synchronization

/// What a server knows of where a file's bytes live: the read fork and, where it exists, the write fork, as the
/// kernel keeps them (fuse-iomap ABI 5.1). Safe for any number of threads.
///
/// A file system that never writes elsewhere than it reads from, like ext4, has no write fork.
public final class FileMappings: Sendable {
  public enum Direction: Hashable, Sendable { case read, write }

  private struct Forks: ~Copyable {
    var read = MappingCache()
    /// Nil until something other than a pure overwrite has been upserted for writes, and then never again.
    var write: MappingCache?
  }

  /// Held for the time of a lookup or a change, and never while calling out.
  private let forks = Mutex(Forks())

  public init() {}

  /// The mapping that covers `position`, whole. Nil where nothing is known. Without a write fork, or where
  /// the write fork says that it is a pure overwrite, the read fork serves writes as well (fuse-iomap ABI
  /// 5.2).
  public func lookup(_ position: FileOffset, for direction: Direction) -> Mapping? {
    forks.withLock { forks in
      guard direction == .write, forks.write != nil else { return forks.read.lookup(position) }
      guard let target = forks.write?.lookup(position) else { return nil }
      return target.kind == .pureOverwrite ? forks.read.lookup(position) : target
    }
  }

  /// Records a mapping in either fork, or both, as the kernel does with an UPSERT (fuse-iomap ABI 5.3). Nil
  /// and `noCache` leave a fork alone, and so does a pure overwrite while there is no write fork.
  public func upsert(read: Mapping?, write: Mapping?) {
    forks.withLock { forks in
      if let read, read.kind != .noCache { forks.read.upsert(read) }
      guard let write, write.kind != .noCache else { return }
      if forks.write == nil {
        guard write.kind != .pureOverwrite else { return }
        forks.write = MappingCache()
      }
      forks.write?.upsert(write)
    }
  }

  /// Forgets everything within [`start`, `end`), in both forks.
  public func invalidate(from start: FileOffset, to end: FileOffset) {
    forks.withLock { forks in
      forks.read.invalidate(from: start, to: end)
      forks.write?.invalidate(from: start, to: end)
    }
  }

  /// Forgets a range in either fork, or both; nil leaves a fork alone.
  public func invalidate(read: InvalidationRange?, write: InvalidationRange?) {
    forks.withLock { forks in
      if let read { forks.read.invalidate(from: read.offset, to: read.end) }
      if let write { forks.write?.invalidate(from: write.offset, to: write.end) }
    }
  }

  /// Forgets everything. A write fork that exists continues to, empty.
  public func removeAll() {
    forks.withLock { forks in
      forks.read.removeAll()
      forks.write?.removeAll()
    }
  }

  /// Mappings known, of both forks together.
  public var count: Int {
    forks.withLock { $0.read.count + ($0.write?.count ?? 0) }
  }

  /// Several steps on the read fork as one. `body` runs with the lock held: it must not call back, nor wait.
  public func withReadFork<R: Sendable, E: Error>(
    _ body: (inout MappingCache) throws(E) -> R
  ) throws(E) -> R {
    try forks.withLock { (forks) throws(E) -> R in try body(&forks.read) }
  }
}
