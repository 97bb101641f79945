import Ext4
import FuseServer
import Glibc
import Logging
import Synchronization

/// Damage that turns up in the file system: logged once for each place, and acted on as the mount options say.
final class IncidentLog: Sendable {
  private let log = Logger(label: "fuse4fs.volume")
  private let known = Mutex<Set<String>>([])
  private let hasStopped = Atomic<Bool>(false)
  private let device: String

  init(device: String) {
    self.device = device
  }

  /// Returns true once: when writing has stopped because of an error.
  @discardableResult
  func record(_ error: Ext4Error, on volume: Volume) -> Bool {
    Session.willWait()
    volume.note(error)
    return report(error, on: volume)
  }

  /// The same for what the file system has recorded by itself.
  func report(_ error: Ext4Error, on volume: Volume) -> Bool {
    let text = Self.describe(error, on: volume)
    // A hostile image may have any number of bad places; a thousand of them tell enough.
    let isNews = known.withLock { $0.count < 1000 && $0.insert(text).inserted }
    if isNews { log.error("\(device): \(text); unmount it and run e2fsck on it") }
    let stopsNow =
      !volume.options.readOnly && !volume.isWritable
      && !hasStopped.exchange(true, ordering: .acquiringAndReleasing)
    if stopsNow {
      log.critical("\(device): writing has stopped, the file system is read-only now")
    }
    if volume.onError == .panic {
      log.critical("\(device): the daemon ends, as errors=panic asks")
      abort()
    }
    return stopsNow
  }

  /// As the beginning of a sentence.
  static func describe(_ error: Ext4Error, on volume: Volume) -> String {
    switch error {
    case .errno(let errno): "\(errno)"
    case .corrupted(let inode, let what): "inode \(inode) is damaged: \(what)"
    case .library(let code, let doing, let inode):
      "\(doing)\(inode.rawValue == 0 || error.isFileSizeLimit ? "" : " of inode \(inode)") failed: "
        + reason(code, error, volume)
    }
  }

  private static func reason(_ code: Int, _ error: Ext4Error, _ volume: Volume) -> String {
    if error.isFileSizeLimit { return FileSizeLimit.reason }
    if let cutOff = volume.device.cutOff {
      return "another program has cut it off while it was mounted, at \(cutOff.found) of "
        + "\(cutOff.known) bytes"
    }
    return Volume.libraryMessage(code)
  }
}
