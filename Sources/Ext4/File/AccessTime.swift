/// When reading a file changes its access time (mount(8)).
public enum AccessTimePolicy: Sendable {
  case noatime, relatime, strictatime
}

extension Inode {
  /// The file was read, or the directory listed.
  public func noteAccess(_ policy: AccessTimePolicy) throws(Ext4Error) {
    guard policy != .noatime, volume.isWritable else { return }
    try volume.metadata.withLock { () throws(Ext4Error) in
      guard linkCount > 0, !flags.contains(.noAccessTime) else { return }
      let now = Timestamp.now
      let last = accessTime
      if policy == .relatime {
        let isCurrent =
          last > modificationTime && last > changeTime && now.seconds - last.seconds < 24 * 3600
        if isCurrent { return }
      } else if last == now {
        return
      }
      accessTime = now
      try store()
    }
  }
}
