import Synchronization

// The end of writing before the end of the mount.
extension Volume {
  /// Nothing is written to the device from now on, nor to the journal's: what is in the log stays there for recovery.
  public func shutDown() {
    isShutDown.store(true, ordering: .releasing)
    health.becomeReadOnly()
    device.stopWriting()
    log?.stopWriting()
  }

  /// Whether `shutDown` was called: every operation is EIO then.
  public var hasShutDown: Bool { isShutDown.load(ordering: .acquiring) }

  /// Whether the metadata in memory may still be looked at.
  public var canBeLookedAt: Bool { !hasShutDown || !volumeUsesIomap.load(ordering: .acquiring) }

  public var hasJournal: Bool { log != nil }
}
