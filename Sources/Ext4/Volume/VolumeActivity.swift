import Journal

/// What a volume has done since it was opened.
public struct VolumeActivity: Sendable {
  /// How often something was in memory.
  public struct Cache: Sendable, Equatable {
    /// Nil where that is not counted.
    public var hits: UInt64?
    public var misses: UInt64

    init(_ statistics: CacheStatistics) {
      hits = statistics.hits
      misses = statistics.misses
    }

    init(misses: UInt64) { self.misses = misses }
  }

  /// Metadata blocks.
  public var blocks: Cache
  public var inodes: Cache
  /// Mappings of files. Hits are not counted: readers share no memory that they write to.
  public var mappings: Cache
  /// With a journal, those that had something to write.
  public var commits: UInt64
  /// Nil without a log.
  public var journal: JournalStatistics?
  public var waits: [(cause: WaitCause, count: WaitStatistics.Count)]
}

extension Volume {
  /// Takes no lock that is held for long.
  public var activity: VolumeActivity {
    VolumeActivity(
      blocks: .init(cache.statistics), inodes: .init(inodes.statistics),
      mappings: .init(misses: mappingStatistics.misses),
      commits: lastCommit.load(ordering: .relaxed), journal: log?.counts,
      waits: WaitCause.allCases.map { ($0, device.waits[$0]) })
  }
}
