import Ext4
import FuseServer
import FuseTransport
import Glibc
import IomapCache
import Logging

/// What a mount has done since it began, at one moment: what all reports are made of.
struct MountStatistics: Sendable {
  struct Iomap: Sendable {
    var counts: IomapStatistics.Counts
    var notifications: IomapNotifier.Counters
  }

  /// The image or device, as messages call it.
  var source: String
  var version = Version.number
  var processID: Int32
  /// How long the mount has been served.
  var uptimeNanoseconds: UInt64
  /// Those that there were requests of.
  var operations: [OperationStatistics]
  var volume: VolumeActivity
  /// Nil where the daemon moves the data.
  var iomap: Iomap?

  /// The ones that took most time first.
  var operationsByTime: [OperationStatistics] {
    operations.sorted { ($0.time, $1.name) > ($1.time, $0.name) }
  }
}

/// The parts of a mount that count, together.
final class StatisticsSource: Sendable {
  private let session: Session
  private let volume: Volume
  private let iomap: IomapServer?
  private let name: String
  private let start = Clock.now

  init(session: Session, volume: Volume, iomap: IomapServer?, name: String) {
    self.session = session
    self.volume = volume
    self.iomap = iomap
    self.name = name
  }

  /// Says everything in the daemon's log.
  func log() {
    let log = Logger(label: "fuse4fs.statistics")
    for line in current.logLines { log.info("\(line)") }
  }

  /// Takes no lock that a thread might hold while it waits.
  var current: MountStatistics {
    let publisher = iomap?.publisher
    return MountStatistics(
      source: name, processID: getpid(), uptimeNanoseconds: Clock.now - start,
      operations: session.statistics.operations, volume: volume.activity,
      iomap: iomap.flatMap { iomap in
        publisher.map {
          .init(counts: iomap.statistics.counts, notifications: $0.notifier.counters)
        }
      })
  }
}
