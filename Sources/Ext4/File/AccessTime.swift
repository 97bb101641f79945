import Synchronization

/// When reading a file changes its access time (mount(8)).
public enum AccessTimePolicy: Sendable {
  case noatime, relatime, strictatime
}

extension Inode {
  private static let secondsPerDay: Int64 = 24 * 3600

  /// The file was read, or the directory listed. With `relatime` this takes no lock while the access time is recent enough.
  public func noteAccess(_ policy: AccessTimePolicy) throws(Ext4Error) {
    guard policy != .noatime, volume.isWritable else { return }
    let now = Timestamp.now
    if policy == .relatime, now.seconds < accessCurrentUntil.load(ordering: .relaxed) { return }
    try volume.change { () throws(Ext4Error) in
      guard linkCount > 0, !flags.contains(.noAccessTime) else { return }
      let hasNewTimes = foldWriteTime()
      let last = accessTime
      let isCurrent: Bool =
        switch policy {
        case .relatime:
          last > modificationTime && last > changeTime
            && now.seconds - last.seconds < Self.secondsPerDay
        default: last == now
        }
      if !isCurrent { accessTime = now }
      if !isCurrent || hasNewTimes { try store() }
      if accessTime > modificationTime, accessTime > changeTime {
        accessCurrentUntil.store(accessTime.seconds + Self.secondsPerDay, ordering: .relaxed)
      }
    }
  }
}
