import Ext4
import FuseServer
import FuseTransport
import IomapCache
import Journal

extension MountStatistics {
  var prometheus: String {
    var text = PrometheusText(common: [("source", source)])
    text.begin("fuse4fs_info", .gauge, "The daemon that serves the mount.")
    text.sample("fuse4fs_info", [("version", version)], 1)
    text.begin("fuse4fs_uptime_seconds", .gauge, "Time since the mount began.")
    text.sample("fuse4fs_uptime_seconds", [], nanoseconds: uptimeNanoseconds)
    addRequests(to: &text)
    addWaits(to: &text)
    addCaches(to: &text)
    addJournal(to: &text)
    if let iomap { Self.add(iomap, to: &text) }
    return text.text
  }

  /// Every second doubling from about a microsecond to about a minute, in nanoseconds.
  private static let bounds = (0..<14).map { UInt64(1) << UInt64(10 + 2 * $0) }

  private func addRequests(to text: inout PrometheusText) {
    func counter(
      _ name: String, _ help: String, _ value: KeyPath<OperationStatistics, UInt64>
    ) {
      text.begin(name, .counter, help)
      for operation in operations {
        text.sample(name, [("opcode", operation.name)], operation[keyPath: value])
      }
    }
    counter("fuse4fs_requests_total", "Requests of the kernel that were answered.", \.count)
    counter(
      "fuse4fs_request_errors_total", "Requests that were answered with an error.", \.errors)
    counter(
      "fuse4fs_request_bytes_total", "Bytes of files and directories read, written or copied.",
      \.bytes)
    text.begin(
      "fuse4fs_request_duration_seconds", .histogram, "Time from a request to its reply.")
    for operation in operations { Self.addHistogram(of: operation, to: &text) }
    text.begin(
      "fuse4fs_request_wait_seconds_total", .counter,
      "The part of that time in which threads waited.")
    for operation in operations {
      for (what, time) in [("lock", operation.lockTime), ("device", operation.deviceTime)] {
        text.sample(
          "fuse4fs_request_wait_seconds_total", [("opcode", operation.name), ("for", what)],
          nanoseconds: time)
      }
    }
  }

  private static func addHistogram(
    of operation: OperationStatistics, to text: inout PrometheusText
  ) {
    let name = "fuse4fs_request_duration_seconds"
    let opcode = ("opcode", operation.name)
    for bound in bounds {
      text.sample(
        name + "_bucket", [opcode, ("le", PrometheusText.seconds(bound))],
        operation.latency.count(below: bound))
    }
    text.sample(name + "_bucket", [opcode, ("le", "+Inf")], operation.count)
    text.sample(name + "_sum", [opcode], nanoseconds: operation.time)
    text.sample(name + "_count", [opcode], operation.count)
  }

  private func addWaits(to text: inout PrometheusText) {
    text.begin(
      "fuse4fs_waits_total", .counter, "Waits for locks and for the device, of all threads.")
    for (cause, count) in volume.waits {
      text.sample("fuse4fs_waits_total", [("for", cause.name)], count.waits)
    }
    text.begin("fuse4fs_wait_seconds_total", .counter, "The time that they took.")
    for (cause, count) in volume.waits {
      text.sample(
        "fuse4fs_wait_seconds_total", [("for", cause.name)], nanoseconds: count.nanoseconds)
    }
  }

  private func addCaches(to text: inout PrometheusText) {
    let caches = [
      ("blocks", volume.blocks), ("inodes", volume.inodes), ("mappings", volume.mappings),
    ]
    text.begin("fuse4fs_cache_hits_total", .counter, "What was asked for and in memory.")
    for (name, cache) in caches {
      if let hits = cache.hits { text.sample("fuse4fs_cache_hits_total", [("cache", name)], hits) }
    }
    text.begin("fuse4fs_cache_misses_total", .counter, "What was asked for and not in memory.")
    for (name, cache) in caches {
      text.sample("fuse4fs_cache_misses_total", [("cache", name)], cache.misses)
    }
  }

  private func addJournal(to text: inout PrometheusText) {
    func counter(_ name: String, _ help: String, _ value: UInt64) {
      text.begin(name, .counter, help)
      text.sample(name, [], value)
    }
    counter("fuse4fs_commits_total", "Commits of changed metadata.", volume.commits)
    guard let journal = volume.journal else { return }
    counter(
      "fuse4fs_journal_transactions_total", "Transactions written into the journal.",
      UInt64(journal.transactions))
    counter("fuse4fs_journal_blocks_total", "Changed blocks in them.", UInt64(journal.blocks))
    counter(
      "fuse4fs_journal_revoked_total", "Freed blocks that they revoke.", UInt64(journal.revoked))
    counter(
      "fuse4fs_journal_bytes_total", "Bytes written into the journal.", UInt64(journal.logBytes))
    counter(
      "fuse4fs_journal_checkpoints_total", "Checkpoints of the journal.",
      UInt64(journal.checkpoints))
  }

  private static func add(_ iomap: Iomap, to text: inout PrometheusText) {
    text.begin("fuse4fs_iomap_upcalls_total", .counter, "Mappings that the kernel asked for.")
    for (purpose, count) in [
      ("read", iomap.counts.reads), ("write", iomap.counts.writes),
      ("writeback", iomap.counts.writebacks), ("other", iomap.counts.others),
    ] {
      text.sample("fuse4fs_iomap_upcalls_total", [("purpose", purpose)], count)
    }
    text.begin(
      "fuse4fs_iomap_completions_total", .counter, "Writes that the kernel has reported.")
    text.sample("fuse4fs_iomap_completions_total", [], iomap.counts.completions)
    let kinds = [
      ("upsert", iomap.notifications.upserts), ("invalidate", iomap.notifications.invalidations),
      ("invalidate_device", iomap.notifications.deviceInvalidations),
    ]
    text.begin("fuse4fs_iomap_notifications_total", .counter, "What the kernel was told.")
    for (kind, counts) in kinds {
      text.sample("fuse4fs_iomap_notifications_total", [("kind", kind)], counts.sent)
    }
    text.begin(
      "fuse4fs_iomap_notification_errors_total", .counter, "What it could not be told.")
    for (kind, counts) in kinds {
      text.sample("fuse4fs_iomap_notification_errors_total", [("kind", kind)], counts.failed)
    }
  }
}
