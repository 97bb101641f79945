import Journal

/// Blocks that were freed and may not be taken again yet: a crash could bring their old owner back, or the kernel could still
/// have a copy of what they held.
///
/// They count as free, and are free in the bitmaps that go to disk. Only libext2fs's bitmap in memory, which every allocation
/// searches, shows them as taken until the commit that frees them is on stable storage. Belongs to the metadata lock.
struct FreedBlocks {
  /// Freed since the last commit.
  private var pending: [BlockRun] = []
  /// Freed by commits that are being written, or could not be, by the number of the commit.
  private var underWay: [UInt64: [BlockRun]] = [:]
  /// Freed by commits that are not on stable storage yet.
  private var committed: [UInt64: [BlockRun]] = [:]
  /// On their way to be taken again, by a token.
  private var leaving: [UInt64: [BlockRun]] = [:]
  private var nextToken: UInt64 = 0
  private(set) var count: UInt64 = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ run: BlockRun) {
    count += run.count
    if let last = pending.last, last.end == run.first {
      pending[pending.count - 1].count += run.count
    } else {
      pending.append(run)
    }
  }

  /// What commits up to `number`, that are being written, free.
  func begun(upTo number: UInt64) -> [BlockRun] {
    underWay.filter { $0.key <= number }.flatMap(\.value)
  }

  /// All of them, in the order of their numbers: what a bitmap on disk shows as free.
  func sorted() -> [BlockRun] {
    (pending + underWay.values.joined() + committed.values.joined() + leaving.values.joined())
      .sorted { $0.first < $1.first }
  }

  /// Commit `number` will write what frees the pending blocks.
  mutating func begin(_ number: UInt64) {
    guard !pending.isEmpty else { return }
    underWay[number, default: []] += pending
    pending.removeAll()
  }

  /// What belongs to commits up to `number` has been written.
  mutating func commit(upTo number: UInt64) {
    for commit in underWay.keys where commit <= number {
      committed[number, default: []] += underWay.removeValue(forKey: commit) ?? []
    }
  }

  /// What commits up to `number`, now on stable storage, have freed; nil for nothing. It is to be given to `release`.
  mutating func beginRelease(upTo number: UInt64) -> (token: UInt64, runs: [BlockRun])? {
    let commits = committed.keys.filter { $0 <= number }
    guard !commits.isEmpty else { return nil }
    let runs = commits.flatMap { committed.removeValue(forKey: $0) ?? [] }
    nextToken += 1
    leaving[nextToken] = runs
    return (nextToken, runs)
  }

  /// Keeps free blocks from being allocated until the token is given to `release`.
  mutating func lend(_ runs: [BlockRun]) -> UInt64 {
    count += runs.reduce(0) { $0 + $1.count }
    nextToken += 1
    leaving[nextToken] = runs
    return nextToken
  }

  /// The blocks may be taken again.
  mutating func release(_ token: UInt64) {
    for run in leaving.removeValue(forKey: token) ?? [] { count -= run.count }
  }
}

extension Volume {
  /// Keeps freed blocks from being taken before the commit that frees them is durable, which a journal demands by itself, and from then
  /// on calls `beforeReuse` with each run of bytes that is about to become free for all, without any lock held. To be called before `startWriting`.
  public func holdFreedBlocks(
    _ beforeReuse: @escaping @Sendable (_ offset: UInt64, _ length: UInt64) -> Void
  ) {
    metadata.withLock { blocksReused = beforeReuse }
  }

  /// Whether there are blocks that a `synchronize` would make usable.
  public var hasFreedBlocks: Bool { metadata.withLock { !freed.isEmpty } }

  /// Free blocks that can be taken now. Metadata lock held.
  var allocatableBlocks: UInt64 {
    let free = superblock.freeBlocks
    return free - min(free, freed.count)
  }

  /// `run` was freed in the bitmap, and stays taken there for the time being. Metadata lock held.
  func hold(_ run: BlockRun) {
    guard blocksReused != nil || log != nil || options.discardsFreedBlocks,
      !isBroken(at: .reusesBlocksAtOnce)
    else {
      return noteUntrimmed(run)
    }
    bitmaps.markTaken(run)
    bitmaps.hold(run)
    freed.add(run)
  }

  /// The runs of `minimum` or more free blocks in a range. They cannot be allocated until `giveBack`. Metadata lock held, for both.
  func borrowFreeRuns(
    in range: Range<UInt64>, ofAtLeast minimum: UInt64
  ) throws(Ext4Error) -> (token: UInt64, runs: [BlockRun]) {
    var runs: [BlockRun] = []
    var position = range.lowerBound
    while let run = try freeRun(from: position, to: range.upperBound, atMost: .max >> 1) {
      if run.count >= minimum { runs.append(run) }
      position = run.end.rawValue
    }
    for run in runs {
      bitmaps.markTaken(run)
      bitmaps.hold(run)
    }
    return (freed.lend(runs), runs)
  }

  func giveBack(_ token: UInt64, _ runs: [BlockRun]) {
    guard isOpen else { return }
    freed.release(token)
    for run in runs {
      bitmaps.release(run)
      bitmaps.markFree(run)
    }
  }

  /// Commits up to `number` are on stable storage: what they have freed may be taken.
  func releaseFreedBlocks(upTo number: UInt64) {
    let (beforeReuse, begun) = metadata.withLock {
      (blocksReused, freed.beginRelease(upTo: number))
    }
    guard let (token, freedRuns) = begun else { return }
    let runs = Self.joined(freedRuns)
    if let beforeReuse {
      for run in runs { beforeReuse(run.first.rawValue << blockShift, run.count << blockShift) }
    }
    let isDiscarded = options.discardsFreedBlocks && discardFreed(runs)
    metadata.withLock {
      guard isOpen else { return }
      freed.release(token)
      for run in runs {
        bitmaps.release(run)
        bitmaps.markFree(run)
        if !isDiscarded { noteUntrimmed(run) }
      }
    }
  }

  /// The device's page cache must not keep what it knows of `run`, which is on the device.
  func forgetDeviceCopies(of run: BlockRun) {
    guard let forget = metadata.withLock({ blocksReused }) else { return }
    forget(run.first.rawValue << blockShift, run.count << blockShift)
  }

  private static func joined(_ runs: [BlockRun]) -> [BlockRun] {
    var joined: [BlockRun] = []
    for run in runs.sorted(by: { $0.first < $1.first }) {
      if let last = joined.last, last.end == run.first {
        joined[joined.count - 1].count += run.count
      } else {
        joined.append(run)
      }
    }
    return joined
  }
}
