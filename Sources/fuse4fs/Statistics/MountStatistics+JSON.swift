import Ext4
import FuseServer
import FuseTransport
import IomapCache
import Journal

// The fields are documented in docs/statistics.md. A field may be added; the meaning of one changes only with the number of the format.
extension MountStatistics {
  static let formatNumber: UInt64 = 1

  var json: JSONValue {
    .object([
      ("format", .number(Self.formatNumber)),
      ("version", .text(version)),
      ("source", .text(source)),
      ("pid", .number(UInt64(max(processID, 0)))),
      ("uptime_seconds", .thousandths(uptimeNanoseconds / 1_000_000)),
      ("requests", .object(operations.map { ($0.name, Self.json($0)) })),
      (
        "waits",
        .object(
          volume.waits.map { wait in
            (
              wait.cause.name,
              .object([
                ("count", .number(wait.count.waits)), ("time_ns", .number(wait.count.nanoseconds)),
              ])
            )
          })
      ),
      (
        "caches",
        .object([
          ("blocks", Self.json(volume.blocks)), ("inodes", Self.json(volume.inodes)),
          ("mappings", Self.json(volume.mappings)),
        ])
      ),
      ("commits", .number(volume.commits)),
      ("journal", volume.journal.map(Self.json) ?? .null),
      ("iomap", iomap.map(Self.json) ?? .null),
    ])
  }

  private static func json(_ operation: OperationStatistics) -> JSONValue {
    let buckets = operation.latency.counts.enumerated().filter { $0.element > 0 }
    return .object([
      ("count", .number(operation.count)),
      ("errors", .number(operation.errors)),
      ("bytes", .number(operation.bytes)),
      ("time_ns", .number(operation.time)),
      ("max_ns", .number(operation.longest)),
      ("p50_ns", .number(operation.quantile(0.5))),
      ("p99_ns", .number(operation.quantile(0.99))),
      ("lock_wait_ns", .number(operation.lockTime)),
      ("device_wait_ns", .number(operation.deviceTime)),
      (
        "histogram",
        .list(
          buckets.map { bucket, count in
            .list([
              LatencyHistogram.bound(of: bucket).map { .number($0) } ?? .null, .number(count),
            ])
          })
      ),
    ])
  }

  private static func json(_ cache: VolumeActivity.Cache) -> JSONValue {
    let misses: (String, JSONValue) = ("misses", .number(cache.misses))
    guard let hits = cache.hits else { return .object([misses]) }
    return .object([("hits", .number(hits)), misses])
  }

  private static func json(_ journal: JournalStatistics) -> JSONValue {
    .object([
      ("transactions", .number(UInt64(journal.transactions))),
      ("blocks", .number(UInt64(journal.blocks))),
      ("revoked", .number(UInt64(journal.revoked))),
      ("log_bytes", .number(UInt64(journal.logBytes))),
      ("checkpoints", .number(UInt64(journal.checkpoints))),
    ])
  }

  private static func json(_ iomap: Iomap) -> JSONValue {
    func json(_ counts: NotificationCounts) -> JSONValue {
      .object([("sent", .number(counts.sent)), ("failed", .number(counts.failed))])
    }
    return .object([
      (
        "upcalls",
        .object([
          ("read", .number(iomap.counts.reads)), ("write", .number(iomap.counts.writes)),
          ("writeback", .number(iomap.counts.writebacks)), ("other", .number(iomap.counts.others)),
        ])
      ),
      ("completions", .number(iomap.counts.completions)),
      ("upserts", json(iomap.notifications.upserts)),
      ("invalidations", json(iomap.notifications.invalidations)),
      ("device_invalidations", json(iomap.notifications.deviceInvalidations)),
    ])
  }
}

extension WaitCause {
  /// In reports.
  var name: String {
    switch self {
    case .read: "read"
    case .flush: "flush"
    case .lock(.inode): "inode"
    case .lock(.committing): "commit"
    case .lock(.commitGate): "commit_gate"
    case .lock(.metadata): "metadata"
    case .lock(.checkpointing): "checkpoint"
    case .lock(.goingHome): "going_home"
    case .lock(.journalSuperblock): "journal_superblock"
    case .lock(.logState): "log_state"
    case .lock(.checkpointList): "checkpoint_list"
    }
  }
}
