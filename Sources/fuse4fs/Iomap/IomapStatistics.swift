import IomapCache
import Logging
import Synchronization

/// What the kernel has asked while it moved data itself: the fewer questions, the better.
final class IomapStatistics: Sendable {
  private let reads = Atomic<UInt64>(0)
  private let writes = Atomic<UInt64>(0)
  private let writebacks = Atomic<UInt64>(0)
  private let others = Atomic<UInt64>(0)
  private let completions = Atomic<UInt64>(0)
  private let log = Logger(label: "fuse4fs.iomap")

  func note(_ operation: IomapWire.Operation) {
    if operation.contains(.writeback) {
      writebacks.wrappingAdd(1, ordering: .relaxed)
    } else if operation.contains(.write) {
      writes.wrappingAdd(1, ordering: .relaxed)
    } else if operation.isDisjoint(with: [.report, .zero, .unshare]) {
      reads.wrappingAdd(1, ordering: .relaxed)
    } else {
      others.wrappingAdd(1, ordering: .relaxed)
    }
  }

  func noteCompletion() { completions.wrappingAdd(1, ordering: .relaxed) }

  /// Questions about mappings by what they were asked for, and completions that were reported.
  struct Counts: Sendable, Equatable {
    var reads: UInt64
    var writes: UInt64
    var writebacks: UInt64
    var others: UInt64
    var completions: UInt64
  }

  var counts: Counts {
    Counts(
      reads: reads.load(ordering: .relaxed), writes: writes.load(ordering: .relaxed),
      writebacks: writebacks.load(ordering: .relaxed), others: others.load(ordering: .relaxed),
      completions: completions.load(ordering: .relaxed))
  }

  /// One line for `-d`.
  func report(_ notifications: IomapNotifier.Counters?) {
    guard let notifications else { return }
    let counts = counts
    func text(_ name: String, _ counts: NotificationCounts) -> String {
      let failures = counts.failures.map { "\($0.value) \($0.key)" }.sorted().joined(
        separator: ", ")
      return "\(counts.sent) \(name)" + (failures.isEmpty ? "" : " (and \(failures))")
    }
    log.debug(
      """
      the kernel asked for mappings to read \(counts.reads), to write \
      \(counts.writes), to write back \(counts.writebacks), otherwise \
      \(counts.others) times, and reported \(counts.completions) completions; \
      it took \(text("upserts", notifications.upserts)), \
      \(text("invalidations", notifications.invalidations)), \
      \(text("device invalidations", notifications.deviceInvalidations))
      """)
  }
}
