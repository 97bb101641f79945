import Ext4
import Glibc
import Logging
import Synchronization

/// Damage that turns up in the file system: logged once for each place, and acted on as the mount options say.
final class IncidentLog: Sendable {
  private let log = Logger(label: "fuse4fs.volume")
  private let known = Mutex<Set<String>>([])
  private let device: String

  init(device: String) {
    self.device = device
  }

  func record(_ error: Ext4Error, on volume: Volume) {
    let wasWritable = volume.isWritable
    volume.note(error)
    let text = Self.describe(error)
    // A hostile image may have any number of bad places; a thousand of them tell enough.
    let isNews = known.withLock { $0.count < 1000 && $0.insert(text).inserted }
    if isNews { log.error("\(device): \(text); unmount it and run e2fsck on it") }
    if wasWritable, !volume.isWritable {
      log.critical("\(device): writing has stopped, the file system is read-only now")
    }
    if volume.onError == .panic {
      log.critical("\(device): the daemon ends, as errors=panic asks")
      abort()
    }
  }

  private static func describe(_ error: Ext4Error) -> String {
    switch error {
    case .errno(let errno): "\(errno)"
    case .corrupted(let inode, let what): "inode \(inode) is damaged: \(what)"
    case .library(let code, let doing, let inode):
      "\(doing) of inode \(inode) failed: \(Volume.libraryMessage(code))"
    }
  }
}
