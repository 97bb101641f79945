import Synchronization

/// Whether there may be copies of a file's data in a page cache above this file system, which direct writes go past.
///
/// A file that was read or written through a cache has some, and so has an inode that has just come into memory, of which
/// nothing is known. When many direct writes have come without a read between them, all pages are dropped, and the writes that follow
/// need not see to any.
public struct PageCacheState: ~Copyable, Sendable {
  /// What may be older than the data that a direct write has written.
  public enum Stale: Sendable { case none, range, all }

  /// `empty`, `dropping`, or how many direct writes have come since pages were last filled, 1 for none.
  private let state = Atomic<UInt32>(1)
  private static let empty: UInt32 = 0
  private static let dropping = UInt32.max
  /// So many direct writes in a row are a sign that the file is not read through the cache any more.
  private static let patience: UInt32 = 64

  init() {}

  /// Pages are about to be filled with what is read from here. To be called before the data is read: a direct write that does not see
  /// the note was there before the read.
  @inline(__always)
  public func noteRead() {
    if state.load(ordering: .relaxed) != 1 { state.store(1, ordering: .sequentiallyConsistent) }
  }

  /// A direct write has written its data. After `all` the caller drops all pages and calls `wasDropped`.
  public func noteDirectWrite() -> Stale {
    let count = state.load(ordering: .sequentiallyConsistent)
    switch count {
    case Self.empty: return .none
    case Self.dropping: return .range
    case Self.patience...:
      return exchange(count, Self.dropping) ? .all : .range
    default:
      _ = exchange(count, count + 1)
      return .range
    }
  }

  /// All pages have been dropped. If some were filled meanwhile, nothing changes.
  public func wasDropped() { _ = exchange(Self.dropping, Self.empty) }

  private func exchange(_ expected: UInt32, _ desired: UInt32) -> Bool {
    state.compareExchange(
      expected: expected, desired: desired, ordering: .sequentiallyConsistent
    ).exchanged
  }
}
