import Ext4
import FuseServer
import FuseTransport
import IomapCache
import Journal

// For people: a table, and lines for the log.
extension MountStatistics {
  var table: String {
    var lines = [
      "\(Self.printable(source)): fuse4fs \(version), process \(processID), served for "
        + ReadableQuantity.time(uptimeNanoseconds), "",
    ]
    lines += Self.aligned([Self.columns] + operationsByTime.map(Self.row))
    lines += [""] + Self.aligned([["waits", "count", "time"]] + waitRows)
    lines += [""] + Self.aligned([["cache", "hits", "misses", "hit"]] + cacheRows)
    lines += ["", journalLine]
    if let iomap { lines.append(Self.line(iomap)) }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let columns = [
    "operation", "count", "errors", "bytes", "total", "mean", "p50", "p99", "max", "locks",
    "device",
  ]

  private static func row(_ operation: OperationStatistics) -> [String] {
    let times = [
      operation.time, operation.time / max(operation.count, 1), operation.quantile(0.5),
      operation.quantile(0.99), operation.longest, operation.lockTime, operation.deviceTime,
    ]
    return [
      operation.name, "\(operation.count)", "\(operation.errors)",
      ReadableQuantity.bytes(operation.bytes),
    ] + times.map(ReadableQuantity.time)
  }

  private var waitRows: [[String]] {
    volume.waits.filter { $0.count.waits > 0 }.sorted {
      $0.count.nanoseconds > $1.count.nanoseconds
    }.map {
      [$0.cause.name, "\($0.count.waits)", ReadableQuantity.time($0.count.nanoseconds)]
    }
  }

  private var cacheRows: [[String]] {
    [("blocks", volume.blocks), ("inodes", volume.inodes), ("mappings", volume.mappings)].map {
      name, cache in
      guard let hits = cache.hits else { return [name, "-", "\(cache.misses)", "-"] }
      return [
        name, "\(hits)", "\(cache.misses)", ReadableQuantity.share(hits, of: hits + cache.misses),
      ]
    }
  }

  private var journalLine: String {
    guard let journal = volume.journal else { return "commits: \(volume.commits), no journal" }
    return "commits: \(volume.commits); journal: \(journal.transactions) transactions with "
      + "\(journal.blocks) blocks and \(journal.revoked) revoked, "
      + "\(ReadableQuantity.bytes(UInt64(journal.logBytes))) written, \(journal.checkpoints) checkpoints"
  }

  private static func line(_ iomap: Iomap) -> String {
    func text(_ counts: NotificationCounts) -> String {
      counts.failed == 0 ? "\(counts.sent)" : "\(counts.sent) (and \(counts.failed) that failed)"
    }
    let asked = iomap.counts
    return "iomap: upcalls to read \(asked.reads), to write \(asked.writes), to write back "
      + "\(asked.writebacks), other \(asked.others); completions \(asked.completions); upserts "
      + "\(text(iomap.notifications.upserts)), invalidations "
      + "\(text(iomap.notifications.invalidations)), of the device "
      + text(iomap.notifications.deviceInvalidations)
  }

  /// The first column to the left, the others to the right.
  private static func aligned(_ rows: [[String]]) -> [String] {
    let columns = rows.first?.count ?? 0
    let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, text in
        let blanks = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 ? text + blanks : blanks + text
      }.joined(separator: "  ")
    }
  }

  /// A path for a terminal.
  private static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
  }

  /// For the log: a line for each operation, and one for the rest.
  var logLines: [String] {
    let head = "statistics of \(Self.printable(source))"
    let all = operations.reduce(UInt64(0)) { $0 + $1.count }
    return operationsByTime.map { "\(head): \(Self.line($0))" } + [
      "\(head): requests \(all) in \(ReadableQuantity.time(uptimeNanoseconds)); caches: "
        + cacheRows.map { "\($0[0]) hits \($0[1]), misses \($0[2])" }.joined(separator: "; ")
        + "; \(journalLine)" + (iomap.map { "; \(Self.line($0))" } ?? "")
    ]
  }

  private static func line(_ operation: OperationStatistics) -> String {
    let time = ReadableQuantity.time
    return "\(operation.name): count \(operation.count), errors \(operation.errors), bytes "
      + "\(operation.bytes); mean "
      + "\(time(operation.time / max(operation.count, 1))), median \(time(operation.quantile(0.5))), 99% "
      + "\(time(operation.quantile(0.99))), longest \(time(operation.longest)); waited for locks "
      + "\(time(operation.lockTime)), for the device \(time(operation.deviceTime))"
  }
}
